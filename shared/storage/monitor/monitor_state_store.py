"""How monitors stand: locked, folded by the domain, written back with their timeline and what must be confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.monitor.beats import BEAT_BYTES, MAX_BEATS
from shared.domain.monitor.looks import FoldedLooks, Silent
from shared.domain.monitor.standing import JUDGED_STATES, LEAST_PATIENCE, STATE_OF_CODE, Standing, StateChange
from shared.domain.target.outcome import Outcome
from shared.storage.database import UnitOfWork
from shared.storage.storable import storable_or_none


@dataclass(frozen=True, slots=True)
class LockedState:
    """A monitor's standing, its row locked; `sampled_at` is its newest sample's slot."""

    standing: Standing
    sampled_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewState:
    """What becomes of a monitor's row; without a newer sample `sampled_at` is None and `beats` are empty."""

    standing: Standing
    sampled_at: datetime | None = None
    duration_ms: float | None = None
    outcome: Outcome | None = None
    beats: bytes = b""


STANDING_COLUMNS = "s.state, s.since, s.covered_until, s.last_at, s.failing, s.first_failed_at, s.code, s.message"
"""What a `Standing` is made of, in its order, of the table `monitor_states` as `s`."""


class MonitorStateStore:
    """Monitors' states within one unit of work, which locks `monitors`, `monitor_states`, `schedules` in this order."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock(self, monitor_ids: Sequence[UUID]) -> dict[UUID, LockedState]:
        """The states of the monitors that are there, locked in the order of their ids."""
        rows = await self._work.fetch(
            f"""
            select s.monitor_id, s.sampled_at, {STANDING_COLUMNS} from monitor_states s
            where s.monitor_id = any($1::uuid[]) order by s.monitor_id for no key update
            """,
            list(monitor_ids),
        )
        return {row[0]: _locked_of(row) for row in rows}

    async def list_silent(self, *, after: UUID, limit: int) -> list[Silent]:
        """Monitors that nothing is known of any more (`patience_of`), by their ids; heartbeats have their own watch."""
        rows = await self._work.fetch(
            """
            select s.monitor_id, m.interval_ms * interval '1 ms' as interval, now() as now
            from monitor_states s join monitors m using (monitor_id)
            where s.state = any($1::int2[]) and s.covered_until <= now() - $2::interval
              and (m.interval_ms is null or s.covered_until <= now() - 2 * m.interval_ms * interval '1 ms')
              and m.kind <> 'heartbeat' and s.monitor_id > $3
            order by s.monitor_id limit $4
            """,
            sorted(state.code for state in JUDGED_STATES),
            LEAST_PATIENCE,
            after,
            limit,
        )
        return [Silent(row.monitor_id, row.interval, row.now) for row in rows]

    async def update(self, states: Mapping[UUID, NewState]) -> None:
        """Write the states of locked rows; new beats go before those that are kept."""
        if not states:
            return
        standings = [state.standing for state in states.values()]
        await self._work.run(
            f"""
            update monitor_states s
            set state = n.state, since = n.since, covered_until = n.covered_until, last_at = n.last_at,
                failing = n.failing, first_failed_at = n.first_failed_at, code = n.code, message = n.message,
                sampled_at = coalesce(n.sampled_at, s.sampled_at), outcome = coalesce(n.outcome, s.outcome),
                duration_ms = case when n.sampled_at is null then s.duration_ms else n.duration_ms end,
                beats = case when n.sampled_at is null then s.beats
                             else substring(n.beats || s.beats from 1 for {MAX_BEATS * BEAT_BYTES}) end
            from unnest($1::uuid[], $2::int2[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::int2[],
                        $7::timestamptz[], $8::text[], $9::text[], $10::timestamptz[], $11::float8[], $12::int2[],
                        $13::bytea[])
                 as n (monitor_id, state, since, covered_until, last_at, failing, first_failed_at, code, message,
                       sampled_at, duration_ms, outcome, beats)
            where s.monitor_id = n.monitor_id
            """,
            list(states),
            [standing.state.code for standing in standings],
            [standing.since for standing in standings],
            [standing.covered_until for standing in standings],
            [standing.last_at for standing in standings],
            [standing.failing for standing in standings],
            [standing.first_failed_at for standing in standings],
            [storable_or_none(standing.code) for standing in standings],
            [storable_or_none(standing.message) for standing in standings],
            [state.sampled_at for state in states.values()],
            [state.duration_ms for state in states.values()],
            [None if state.outcome is None else state.outcome.code for state in states.values()],
            [state.beats for state in states.values()],
        )

    async def hold(self, monitor_ids: Sequence[UUID]) -> set[UUID]:
        """Keep monitors from being deleted until the end of this unit of work; those that are gone are left out.

        Whoever deletes or renames one holds its row and may wait for ours: then this raises at once instead of waiting.
        """
        rows = await self._work.fetch(
            "select monitor_id from monitors where monitor_id = any($1::uuid[]) order by monitor_id"
            " for key share nowait",
            list(monitor_ids),
        )
        return {row.monitor_id for row in rows}

    async def add_spans(self, changes: Sequence[tuple[UUID, StateChange]]) -> None:
        """Append to the timelines; of two changes at one moment the later one stands."""
        if not changes:
            return
        await self.hold([monitor_id for monitor_id, _ in changes])
        await self._work.run(
            """
            insert into state_spans (monitor_id, started_at, state, code, message)
            select * from unnest($1::uuid[], $2::timestamptz[], $3::int2[], $4::text[], $5::text[])
            on conflict (monitor_id, started_at) do update
            set state = excluded.state, code = excluded.code, message = excluded.message
            """,
            [monitor_id for monitor_id, _ in changes],
            [change.at for _, change in changes],
            [change.state.code for _, change in changes],
            [storable_or_none(change.code) for _, change in changes],
            [storable_or_none(change.message) for _, change in changes],
        )

    async def confirm(self, folded: Mapping[UUID, FoldedLooks]) -> None:
        """Ask for the confirmations that are needed, and take back those that are not any more."""
        asked = {monitor_id: each for monitor_id, each in folded.items() if each.confirmation is not None}
        if not asked:
            return
        await self._work.run(
            """
            with wanted as (
                select s.monitor_id, nullif(w.confirmation, 0) as confirmation,
                       case when w.confirmation > 0 then greatest(w.confirm_at, now()) end as confirm_at
                from unnest($1::uuid[], $2::int2[], $3::timestamptz[]) as w (monitor_id, confirmation, confirm_at)
                join schedules s using (monitor_id)
                where s.due_at is not null order by s.monitor_id for no key update of s
            )
            update schedules s
            set confirmation = coalesce(wanted.confirmation, 0), confirm_at = wanted.confirm_at,
                due_at = least(s.next_slot, wanted.confirm_at)
            from wanted where s.monitor_id = wanted.monitor_id
            """,
            list(asked),
            [each.confirmation for each in asked.values()],
            [each.confirm_at for each in asked.values()],
        )


def _locked_of(row: Sequence[Any]) -> LockedState:
    """The state in a row that `lock` read; by the columns' places, since names take three times as long."""
    return LockedState(Standing(STATE_OF_CODE[row[2]], *row[3:]), row[1])

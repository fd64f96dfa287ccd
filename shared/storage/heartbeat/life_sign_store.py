"""Writes what pings and silence say of heartbeats: samples, notes, states and timelines, in one transaction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.domain.heartbeat.ping_folding import FoldedPings, LifeSign, WatchedHeartbeat
from shared.domain.judging.judgements import MonitorNews
from shared.domain.live import LiveEvent, StateTold
from shared.domain.sample.samples import Sample
from shared.domain.target.outcome import Reading
from shared.storage.advisory_locks import SAMPLE_WRITERS, SILENCE
from shared.storage.alert.alert_store import Applied
from shared.storage.database import UnitOfWork
from shared.storage.heartbeat.heartbeat_store import HEARTBEAT_COLUMNS, heartbeat_of
from shared.storage.judging.alert_judge import AlertJudge
from shared.storage.monitor.monitor_state_store import LockedState, MonitorStateStore, NewState
from shared.storage.sample.sample_encoding import PlacedSample
from shared.storage.sample.slot_samples import news_of, state_with, told, write_slot_samples

KIND = "heartbeat"


@dataclass(frozen=True, slots=True)
class LockedHeartbeat:
    """A heartbeat and its monitor's state, both locked."""

    watched: WatchedHeartbeat
    state: LockedState
    version: int


@dataclass(frozen=True, slots=True)
class WrittenSigns:
    """What is to be told, once it is committed, of what was written."""

    events: Sequence[LiveEvent] = ()
    applied: Applied = field(default_factory=Applied)


class LifeSignStore:
    """Signs of life within one unit of work, in which `judge` judges them."""

    def __init__(self, work: UnitOfWork, judge: AlertJudge) -> None:
        self._work = work
        self._judge = judge
        self._states = MonitorStateStore(work)

    async def begin(self) -> None:
        """Keep the roll-ups' watermark where it is; before anything else, so that nobody waits for us meanwhile."""
        await self._work.run("select pg_advisory_xact_lock_shared($1)", SAMPLE_WRITERS)

    async def find_overdue(self, *, limit: int) -> list[UUID]:
        """Heartbeats that nothing was heard of in time, the longest overdue first.

        Nobody else finds any until the commit, and none are found while somebody else is at it.
        """
        turn = await self._work.fetch("select pg_try_advisory_xact_lock($1) as is_ours", SILENCE)
        if not turn[0].is_ours:
            return []
        rows = await self._work.fetch(
            """
            select monitor_id from heartbeats where expected_at < now() order by expected_at limit $1
            """,
            limit,
        )
        return [row.monitor_id for row in rows]

    async def lock(self, monitor_ids: Sequence[UUID]) -> dict[UUID, LockedHeartbeat]:
        """The heartbeats among these monitors with their states, locked in the order of ids, states first.

        Who deletes a monitor locks its state before it does: so none is deleted until the commit.
        """
        states = await self._states.lock(monitor_ids)
        rows = await self._work.fetch(
            f"""
            select h.monitor_id, h.pings, m.series_id, m.version, {HEARTBEAT_COLUMNS}
            from heartbeats h join monitors m using (monitor_id)
            where h.monitor_id = any($1::uuid[]) order by h.monitor_id for no key update of h
            """,
            list(monitor_ids),
        )
        return {
            row.monitor_id: LockedHeartbeat(
                WatchedHeartbeat(
                    row.monitor_id,
                    row.series_id,
                    heartbeat_of(row),
                    states[row.monitor_id].standing,
                    row.pings,
                ),
                states[row.monitor_id],
                row.version,
            )
            for row in rows
            if row.monitor_id in states
        }

    async def write(self, locked: Mapping[UUID, LockedHeartbeat], folded: Mapping[UUID, FoldedPings]) -> WrittenSigns:
        """Write what became of locked heartbeats, and judge it."""
        placed = await self._write_samples(locked, folded)
        events: list[LiveEvent] = []
        states: dict[UUID, NewState] = {}
        news: list[MonitorNews] = []
        for monitor_id, each in folded.items():
            written = placed.get(locked[monitor_id].watched.series_id, ())
            states[monitor_id] = state_with(each.standing, locked[monitor_id].state, written)
            events += [told(monitor_id, sample) for sample in written]
            news += _news_of(locked[monitor_id], each, written)
        # Of two changes at one moment the later one stands, as in the timeline.
        changes = {(monitor_id, change.at): change for monitor_id, each in folded.items() for change in each.changes}
        await self._states.add_spans([(monitor_id, change) for (monitor_id, _), change in changes.items()])
        await self._states.update(states)
        await self._update(folded)
        events += [StateTold(id_, c.at, c.state, c.code, c.message) for (id_, _), c in changes.items()]
        return WrittenSigns(events, await self._judge.judge(news))

    async def _write_samples(
        self, locked: Mapping[UUID, LockedHeartbeat], folded: Mapping[UUID, FoldedPings]
    ) -> dict[int, list[PlacedSample]]:
        samples = [
            Sample(monitor_id, 0, locked[monitor_id].watched.series_id, KIND, _reading_of(sign), sign.look.at)
            for monitor_id, each in folded.items()
            for sign in each.signs
        ]
        return await write_slot_samples(self._work, samples)

    async def _update(self, folded: Mapping[UUID, FoldedPings]) -> None:
        heartbeats = [each.heartbeat for each in folded.values()]
        await self._work.run(
            """
            update heartbeats h
            set pinged_at = n.pinged_at, armed_at = n.armed_at, expected_at = n.expected_at,
                started_at = n.started_at, run_id = n.run_id, pings = n.pings
            from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
                        $6::uuid[], $7::int8[])
                 as n (monitor_id, pinged_at, armed_at, expected_at, started_at, run_id, pings)
            where h.monitor_id = n.monitor_id
            """,
            list(folded),
            [each.pinged_at for each in heartbeats],
            [each.armed_at for each in heartbeats],
            [each.expected_at for each in heartbeats],
            [each.started_at for each in heartbeats],
            [each.run_id for each in heartbeats],
            [each.pings for each in folded.values()],
        )


def _news_of(locked: LockedHeartbeat, folded: FoldedPings, written: Sequence[PlacedSample]) -> list[MonitorNews]:
    # Of two changes at one moment the later one stands.
    changes = {change.at: change for change in folded.changes}
    moments = [*changes, *(each.ts for each in written)]
    if not moments:
        return []
    news = MonitorNews(
        monitor_id=locked.watched.monitor_id,
        version=locked.version,
        before=locked.state.standing.state,
        at=max(moments),
        samples=[news_of(each) for each in written],
        changes=list(changes.values()),
        is_first=locked.state.sampled_at is None,
        cause=locked.state.standing.cause,
    )
    return [news]


def _reading_of(sign: LifeSign) -> Reading:
    told = {"exit_status": sign.exit_status, "since_last_ms": sign.since_last_ms}
    return Reading(
        outcome=sign.look.outcome,
        # What is no number is kept as none: most pings tell of no run.
        duration_ms=math.nan if sign.duration_ms is None else round(sign.duration_ms, 3),
        collected_at=sign.look.at,
        metrics={name: float(value) for name, value in told.items() if value is not None},
        code=sign.look.code,
        message=sign.look.message,
    )

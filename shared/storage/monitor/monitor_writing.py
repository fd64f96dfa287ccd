"""Writes monitors: made, changed and deleted by the thousand, each kind of row by one statement."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.exc import IntegrityError

from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.monitor.monitor_changes import MonitorDraft
from shared.domain.monitor.monitors import DEFAULT_INTERVAL
from shared.storage.database import UnitOfWork
from shared.storage.heartbeat.heartbeat_store import HeartbeatStore, NewHeartbeat

_MILLISECOND = timedelta(milliseconds=1)

INSERTED_AT_ONCE = 200
"""Monitors whose rows are put together in one go, some 3 ms; other requests are answered in between."""


class NameTakenError(Exception):
    """Somebody has just given the name to another monitor; the unit of work is spoiled, begin anew."""


@dataclass(frozen=True, slots=True)
class Origin:
    """When and by whom monitors are made."""

    now: datetime
    by: str


class MonitorWriter:
    """Writes monitors within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def insert(self, drafts: Sequence[MonitorDraft], *, origin: Origin) -> set[UUID]:
        """Make monitors with all that belongs to them; those whose name was taken meanwhile are left out.

        In one order of their names, so that two who make the same ones do not deadlock.
        """
        ordered = sorted(drafts, key=lambda draft: (draft.spec.group, draft.spec.name))
        made: set[UUID] = set()
        for first in range(0, len(ordered), INSERTED_AT_ONCE):
            made |= await self._insert(ordered[first : first + INSERTED_AT_ONCE], origin)
        return made

    async def _insert(self, drafts: Sequence[MonitorDraft], origin: Origin) -> set[UUID]:
        rows = await self._work.fetch(
            """
            insert into monitors (monitor_id, group_name, name, description, kind, target, is_sealed, shown,
                                  secret_names, interval_ms, cron, timezone, confirmations, confirm_ms, labels, owner,
                                  paused_at, series_id, created_at, updated_at, created_by)
            select id, group_name, name, description, kind, target, is_sealed, shown::jsonb,
                   array(select jsonb_array_elements_text(secret_names::jsonb)), interval_ms, cron, timezone,
                   confirmations, confirm_ms, labels::jsonb, owner, case when is_paused then $18::timestamptz end,
                   nextval('series_series_id_seq'), $18, $18, $19
            from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::text[],
                        $9::text[], $10::int8[], $11::text[], $12::text[], $13::int2[], $14::int4[], $15::text[],
                        $16::text[], $17::bool[]) with ordinality
                 as d (id, group_name, name, description, kind, target, is_sealed, shown, secret_names, interval_ms,
                       cron, timezone, confirmations, confirm_ms, labels, owner, is_paused, place)
            order by place
            on conflict (group_name, name) do nothing returning monitor_id, series_id
            """,
            *_columns_of(drafts),
            [draft.spec.paused for draft in drafts],
            origin.now,
            origin.by,
        )
        series = {row.monitor_id: row.series_id for row in rows}
        made = [draft for draft in drafts if draft.monitor_id in series]
        if made:
            await self._add_series(made, series)
            await self._add_states(made, now=origin.now)
            await self._add_schedules(made, now=origin.now)
        return set(series)

    async def update(self, drafts: Sequence[MonitorDraft], *, now: datetime) -> None:
        """Write what monitors are now; their states and schedules are left alone.

        Raises:
            NameTakenError: a name was taken meanwhile.
        """
        try:
            await self._work.run(
                """
                update monitors m
                set group_name = d.group_name, name = d.name, description = d.description, target = d.target,
                    is_sealed = d.is_sealed, shown = d.shown::jsonb,
                    secret_names = array(select jsonb_array_elements_text(d.secret_names::jsonb)),
                    interval_ms = d.interval_ms, cron = d.cron, timezone = d.timezone,
                    confirmations = d.confirmations, confirm_ms = d.confirm_ms, labels = d.labels::jsonb,
                    owner = d.owner, version = m.version + 1, updated_at = $17
                from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[],
                            $8::text[], $9::text[], $10::int8[], $11::text[], $12::text[], $13::int2[], $14::int4[],
                            $15::text[], $16::text[])
                     as d (id, group_name, name, description, kind, target, is_sealed, shown, secret_names,
                           interval_ms, cron, timezone, confirmations, confirm_ms, labels, owner)
                where m.monitor_id = d.id
                """,
                *_columns_of(drafts),
                now,
            )
        except IntegrityError as error:
            raise NameTakenError from error
        await self._work.run(
            """
            update series s set name = d.name, labels = d.labels::jsonb
            from unnest($1::uuid[], $2::text[], $3::text[]) as d (id, name, labels)
            join monitors m on m.monitor_id = d.id
            where s.series_id = m.series_id and (s.name, s.labels) is distinct from (d.name, d.labels::jsonb)
            """,
            [draft.monitor_id for draft in drafts],
            [_series_name(draft) for draft in drafts],
            [_json(draft.spec.labels) for draft in drafts],
        )

    async def delete(self, monitor_ids: Sequence[UUID]) -> None:
        """Delete monitors whose rows, states and schedules are locked; their series stay with their samples."""
        await self._work.run("delete from monitors where monitor_id = any($1::uuid[])", list(monitor_ids))

    async def _add_series(self, drafts: Sequence[MonitorDraft], series: Mapping[UUID, int]) -> None:
        await self._work.run(
            """
            insert into series (series_id, identity, kind, name, labels, monitor_id) overriding system value
            select i, identity, kind, name, labels::jsonb, monitor_id
            from unnest($1::int4[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::uuid[])
                 as d (i, identity, kind, name, labels, monitor_id)
            """,
            [series[draft.monitor_id] for draft in drafts],
            [hashlib.sha256(b"monitor:" + draft.monitor_id.bytes).digest() for draft in drafts],
            [draft.target.kind for draft in drafts],
            [_series_name(draft) for draft in drafts],
            [_json(draft.spec.labels) for draft in drafts],
            [draft.monitor_id for draft in drafts],
        )

    async def _add_states(self, drafts: Sequence[MonitorDraft], *, now: datetime) -> None:
        ids = [draft.monitor_id for draft in drafts]
        states = [draft.first_state.code for draft in drafts]
        await self._work.run(
            """
            insert into monitor_states (monitor_id, since, state)
            select id, $3::timestamptz, state from unnest($1::uuid[], $2::int2[]) as d (id, state)
            """,
            ids,
            states,
            now,
        )
        await self._work.run(
            """
            insert into state_spans (monitor_id, started_at, state)
            select id, $3::timestamptz, state from unnest($1::uuid[], $2::int2[]) as d (id, state)
            """,
            ids,
            states,
            now,
        )

    async def _add_schedules(self, drafts: Sequence[MonitorDraft], *, now: datetime) -> None:
        slots = [
            (draft.monitor_id, None if draft.spec.paused else draft.spec.schedule_of(draft.monitor_id).next_after(now))
            for draft in drafts
            if not isinstance(draft.spec.target, HeartbeatTarget)
        ]
        await self._work.run(
            """
            insert into schedules (monitor_id, due_at, next_slot)
            select id, slot, slot from unnest($1::uuid[], $2::timestamptz[]) as d (id, slot)
            """,
            [monitor_id for monitor_id, _ in slots],
            [slot for _, slot in slots],
        )
        heartbeats = [
            NewHeartbeat(draft.monitor_id, draft.spec.target.grace, draft.spec.target.slug)
            for draft in drafts
            if isinstance(draft.spec.target, HeartbeatTarget)
        ]
        if heartbeats:
            await HeartbeatStore(self._work).add(heartbeats)


def interval_ms_of(draft: MonitorDraft) -> int | None:
    """The interval in milliseconds; None with a cron expression."""
    return None if draft.spec.cron is not None else (draft.spec.interval or DEFAULT_INTERVAL) // _MILLISECOND


def _series_name(draft: MonitorDraft) -> str:
    return draft.target.name or draft.spec.name


def _columns_of(drafts: Sequence[MonitorDraft]) -> tuple[list[object], ...]:
    """The parameters that both statements begin with."""
    specs = [draft.spec for draft in drafts]
    targets = [draft.target for draft in drafts]
    return (
        [draft.monitor_id for draft in drafts],
        [spec.group for spec in specs],
        [spec.name for spec in specs],
        [spec.description for spec in specs],
        [target.kind for target in targets],
        [target.text for target in targets],
        [target.is_sealed for target in targets],
        [_json(target.shown) for target in targets],
        # An array of arrays has to be rectangular, JSON has not.
        [_json(target.secret_names) for target in targets],
        [interval_ms_of(draft) for draft in drafts],
        [spec.cron for spec in specs],
        [spec.timezone for spec in specs],
        [spec.confirmations for spec in specs],
        [spec.confirm_interval // _MILLISECOND for spec in specs],
        [_json(spec.labels) for spec in specs],
        [draft.owner for draft in drafts],
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

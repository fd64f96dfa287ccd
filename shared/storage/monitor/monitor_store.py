"""Reads monitors: as they are kept, and how they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.monitor.monitor_changes import MAX_MONITORS, KeptMonitor, KeptTarget
from shared.domain.monitor.monitors import Monitor
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.domain.monitor.standing import MISSED, STATE_OF_CODE, MonitorState
from shared.domain.target.outcome import OUTCOME_OF_CODE, Outcome
from shared.storage.database import UnitOfWork
from shared.storage.monitor.monitor_filter import MonitorFilter, terms_of
from shared.storage.monitor.uptime_sql import IS_SILENT, SINCE_NOW, STATE_NOW

Name = tuple[str, str]
"""A monitor's group and its name."""

_MILLISECOND = timedelta(milliseconds=1)
_COLUMNS = """
    m.monitor_id, m.group_name, m.name, m.description, m.kind, m.shown, m.secret_names, m.interval_ms, m.cron,
    m.timezone, m.confirmations, m.confirm_ms, m.labels, m.owner, m.paused_at, m.series_id, m.version, m.created_at,
    m.updated_at, m.created_by
"""
_KEPT_COLUMNS = f"{_COLUMNS}, m.target, m.is_sealed"
_STATUS_COLUMNS = f"""
    {_COLUMNS}, {STATE_NOW} as state, {SINCE_NOW} as since, s.sampled_at, s.outcome, s.duration_ms,
    case when {IS_SILENT} then '{MISSED}' else s.code end as code,
    case when {IS_SILENT} then null else s.message end as message, n.code as last_code, n.message as last_message,
    c.next_slot
"""
_STATUS_TABLES = """
    monitors m join monitor_states s on s.monitor_id = m.monitor_id
    left join schedules c on c.monitor_id = m.monitor_id
    left join sample_note n on n.series_id = m.series_id and n.ts = s.sampled_at
"""


@dataclass(frozen=True, slots=True)
class LastLook:
    """What the latest sample found; `duration_ms` in milliseconds."""

    at: datetime
    outcome: Outcome
    duration_ms: float | None
    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class MonitorStatus:
    """A monitor and how it stands at a moment; `code` and `message` say why, unless it is up."""

    monitor: Monitor
    state: MonitorState
    since: datetime
    code: str | None
    message: str | None
    last: LastLook | None
    next_at: datetime | None


class MonitorStore:
    """Reads monitors within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_status(self, monitor_id: UUID, *, now: datetime) -> MonitorStatus | None:
        """The monitor and how it stands, if there is one."""
        rows = await self._work.fetch(
            f"select {_STATUS_COLUMNS} from {_STATUS_TABLES} where m.monitor_id = $2", now, monitor_id
        )
        return _status_of(rows[0]) if rows else None

    async def list_status(
        self, wanted: MonitorFilter, *, now: datetime, after: Name | None, limit: int
    ) -> list[MonitorStatus]:
        """At most `limit` monitors in the order of groups and names, those behind `after`."""
        terms, values = terms_of(wanted, now=now, after=after)
        rows = await self._work.fetch(
            f"""
            select {_STATUS_COLUMNS} from {_STATUS_TABLES} where {terms}
            order by m.group_name, m.name limit ${len(values) + 1}
            """,
            *values,
            limit,
        )
        return [_status_of(row) for row in rows]

    async def list_ids(self, wanted: MonitorFilter, *, now: datetime, limit: int) -> list[UUID]:
        """At most `limit` of the monitors that are wanted, in the order of their ids."""
        terms, values = terms_of(wanted, now=now)
        rows = await self._work.fetch(
            f"""
            select m.monitor_id from monitors m join monitor_states s on s.monitor_id = m.monitor_id
            where {terms} order by m.monitor_id limit ${len(values) + 1}
            """,
            *values,
            limit,
        )
        return [row.monitor_id for row in rows]

    async def find_names(self, names: Sequence[Name]) -> dict[Name, UUID]:
        """The monitors there are under the names."""
        rows = await self._work.fetch(
            """
            select m.group_name, m.name, m.monitor_id from monitors m
            join unnest($1::text[], $2::text[]) as n (group_name, name)
                on n.group_name = m.group_name and n.name = m.name
            """,
            [group for group, _ in names],
            [name for _, name in names],
        )
        return {(row.group_name, row.name): row.monitor_id for row in rows}

    async def lock(self, monitor_ids: Sequence[UUID]) -> dict[UUID, KeptMonitor]:
        """The monitors there are among the ids, kept from being changed by others; what refers to them need not wait.

        Locked in the order of their ids, so that two who change several do not deadlock.
        """
        rows = await self._work.fetch(
            f"""
            select {_KEPT_COLUMNS} from monitors m where m.monitor_id = any($1::uuid[])
            order by m.monitor_id for no key update
            """,
            list(monitor_ids),
        )
        return {row.monitor_id: _kept_of(row) for row in rows}

    async def lock_keys(self, monitor_ids: Sequence[UUID]) -> None:
        """Keep monitors, locked already, from being referred to: they are about to be renamed or deleted.

        Whoever refers to one is waited for here, in the order of ids, and not by a statement that takes them in any
        order. Their states are to be locked before, so that nobody refers to one who waits for those.
        """
        await self._work.run(
            "select from monitors where monitor_id = any($1::uuid[]) order by monitor_id for update",
            list(monitor_ids),
        )

    async def list_owned(self, owner: str, *, after: Name, limit: int) -> list[KeptMonitor]:
        """At most `limit` monitors of an owner in the order of groups and names, those behind `after`."""
        rows = await self._work.fetch(
            f"""
            select {_KEPT_COLUMNS} from monitors m where m.owner = $1 and (m.group_name, m.name) > ($2, $3)
            order by m.group_name, m.name limit $4
            """,
            owner,
            *after,
            limit,
        )
        return [_kept_of(row) for row in rows]

    async def list_named(self, names: Sequence[Name]) -> list[KeptMonitor]:
        """The monitors there are under the names."""
        rows = await self._work.fetch(
            f"""
            select {_KEPT_COLUMNS} from monitors m
            join unnest($1::text[], $2::text[]) as n (group_name, name)
                on n.group_name = m.group_name and n.name = m.name
            order by m.group_name, m.name
            """,
            [group for group, _ in names],
            [name for _, name in names],
        )
        return [_kept_of(row) for row in rows]

    async def count(self) -> int:
        """How many monitors there are, counted up to `MAX_MONITORS`."""
        rows = await self._work.fetch("select count(*) as n from (select from monitors limit $1) counted", MAX_MONITORS)
        return int(rows[0].n)


def monitor_of(row: Row[Any]) -> Monitor:
    """The monitor in a row of its columns."""
    return Monitor(
        monitor_id=row.monitor_id,
        group=row.group_name,
        name=row.name,
        description=row.description,
        kind=row.kind,
        shown=row.shown,
        secret_names=tuple(row.secret_names),
        schedule=_schedule_of(row),
        confirmations=row.confirmations,
        confirm_interval=row.confirm_ms * _MILLISECOND,
        labels=row.labels,
        owner=row.owner,
        paused_at=row.paused_at,
        series_id=row.series_id,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        created_by=row.created_by,
    )


def _schedule_of(row: Row[Any]) -> Schedule:
    if row.interval_ms is None:
        return Schedule(cron=row.cron, timezone=row.timezone)
    interval = row.interval_ms * _MILLISECOND
    return Schedule(interval=interval, phase=phase_of(row.monitor_id, interval), timezone=row.timezone)


def _kept_of(row: Row[Any]) -> KeptMonitor:
    target = KeptTarget(row.kind, "", row.target, row.is_sealed, row.shown, tuple(row.secret_names))
    return KeptMonitor(monitor_of(row), target)


def _status_of(row: Row[Any]) -> MonitorStatus:
    last = None
    if row.sampled_at is not None and row.outcome is not None:
        last = LastLook(row.sampled_at, OUTCOME_OF_CODE[row.outcome], row.duration_ms, row.last_code, row.last_message)
    return MonitorStatus(
        monitor=monitor_of(row),
        state=STATE_OF_CODE[row.state],
        since=row.since,
        code=row.code,
        message=row.message,
        last=last,
        next_at=row.next_slot,
    )

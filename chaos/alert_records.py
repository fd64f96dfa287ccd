"""What the database holds of alerts, read by a connection of the auditor's own."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chaos.alert_ledger import AlertRecords, KeptAlert, KeptTelling, Span
from shared.domain.monitor.standing import STATE_OF_CODE, MonitorState

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

GROUP = "alerts"
"""The group of the monitors that the alerts are about."""
_ALERTS = """
select a.alert_id, a.name as rule, a.fingerprint, a.monitor_id, a.labels->>'shelf' as shelf, a.state, a.started_at,
       a.fired_at, a.resolved_at, coalesce(e.kinds, '{}') as kinds, coalesce(e.moments, '{}') as moments
from alerts a
left join (select alert_id, array_agg(kind order by event_id) as kinds, array_agg(at order by event_id) as moments
           from alert_events where kind in ('pend', 'fire', 'clear', 'resolve') group by alert_id) e using (alert_id)
"""
_TELLINGS = """
select t.alert_id, c.name as channel, t.fire_notice_id, t.resolve_notice_id, t.suppressed is not null as is_held_back,
       t.is_settled
from tellings t join channels c using (channel_id)
"""
_SPANS = """
select monitor_id, started_at, state from state_spans join monitors using (monitor_id) where group_name = $1
order by started_at
"""
_LOOKED_AT = """
select exists (select from monitors m join monitor_states s using (monitor_id)
               where m.group_name = $1 and (s.state <> $2 or s.last_at is null or s.last_at <= $3))
"""
_OWING = """
select exists (select from alerts where resolved_at is null) or exists (select from tellings where not is_settled)
       or exists (select from notices where ended_at is null)
"""


async def is_at_rest(connection: "Connection", calm_since: datetime) -> bool:
    """Whether each monitor was looked at and found up since then, no alert is open, and nobody is owed anything."""
    if await connection.fetchval(_LOOKED_AT, GROUP, MonitorState.UP.code, calm_since, timeout=30):
        return False
    return not await connection.fetchval(_OWING, timeout=30)


async def read_alerts(connection: "Connection") -> AlertRecords:
    """All of it, in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        alerts = await connection.fetch(_ALERTS, timeout=120)
        tellings = await connection.fetch(_TELLINGS, timeout=120)
        notices = await connection.fetch("select notice_id, state from notices", timeout=120)
        spans = await connection.fetch(_SPANS, GROUP, timeout=120)
    return AlertRecords(
        alerts=[_alert(dict(row)) for row in alerts],
        tellings=[KeptTelling(**dict(row)) for row in tellings],
        notices={row["notice_id"]: row["state"] for row in notices},
        downs=_downs((row["monitor_id"], row["started_at"], STATE_OF_CODE[row["state"]]) for row in spans),
    )


def _alert(row: dict[str, Any]) -> KeptAlert:
    steps = zip(row.pop("kinds"), row.pop("moments"), strict=True)
    return KeptAlert(**row, steps=tuple(steps))


def _downs(spans: Iterable[tuple[UUID, datetime, MonitorState]]) -> dict[UUID, list[Span]]:
    """When each monitor was down: until it was judged to be something else, for what is not known ends nothing."""
    downs: dict[UUID, list[Span]] = defaultdict(list)
    since: dict[UUID, datetime] = {}
    for monitor_id, started_at, state in spans:
        downs[monitor_id] += []
        if state is MonitorState.DOWN:
            since.setdefault(monitor_id, started_at)
        elif state.is_judged and monitor_id in since:
            downs[monitor_id].append((since.pop(monitor_id), started_at))
    return dict(downs)

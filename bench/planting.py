"""HTTP monitors by the thousand, written as the API writes them, in the time of one statement."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from bench.harness import Servers
from bench.server_counters import wipe_redis
from shared.domain.monitor.schedules import Schedule, phase_of

_MILLISECOND = timedelta(milliseconds=1)
_PLANT = """
    with made as (
        insert into series (identity, kind, name, labels, monitor_id)
        select sha256('monitor:'::bytea || uuid_send(id)), 'http', id::text, '{}', id from unnest($1::uuid[]) m (id)
        returning series_id, monitor_id),
    monitored as (
        insert into monitors (monitor_id, group_name, name, kind, target, shown, interval_ms, confirmations, confirm_ms,
                              series_id, created_by)
        select id, 'bench', id::text, 'http', target, target::jsonb, $4::int8, 1, 5000, series_id, 'bench'
        from unnest($1::uuid[], $2::text[]) m (id, target) join made on made.monitor_id = m.id
        returning monitor_id),
    stated as (insert into monitor_states (monitor_id, since, state) select monitor_id, now(), 4 from monitored),
    spanned as (insert into state_spans (monitor_id, started_at, state) select monitor_id, now(), 4 from monitored)
    insert into schedules (monitor_id, due_at, next_slot)
    select id, slot, slot from unnest($1::uuid[], $3::timestamptz[]) m (id, slot) join monitored on monitor_id = id
"""


def plant(
    servers: Servers, targets: Sequence[dict[str, object]], *, interval: timedelta, first: datetime | None = None
) -> list[UUID]:
    """Plant a monitor of each target, due at its own slots after `first`; without it nothing schedules them."""
    ids = [UUID(str(uuid7())) for _ in targets]
    slots = [first and _slot_of(monitor_id, interval, after=first) for monitor_id in ids]
    asyncio.run(_plant(servers, ids, [json.dumps(target) for target in targets], slots, interval))
    return ids


def clear(servers: Servers) -> None:
    """Forget all monitors, jobs and samples, in Valkey too. Not while a worker runs."""
    asyncio.run(_clear(servers))
    wipe_redis(servers)


def _slot_of(monitor_id: UUID, interval: timedelta, *, after: datetime) -> datetime:
    return Schedule(interval=interval, phase=phase_of(monitor_id, interval)).next_after(after)


async def _plant(
    servers: Servers,
    ids: Sequence[UUID],
    targets: Sequence[str],
    slots: Sequence[datetime | None],
    interval: timedelta,
) -> None:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(_PLANT, ids, targets, slots, interval // _MILLISECOND)
    # As autovacuum would have within a minute.
    await connection.execute("analyze monitors, monitor_states, state_spans, schedules, series")
    await connection.close()


async def _clear(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("truncate jobs, monitors, series, sample, sample_note, series_current, scheduler cascade")
    await connection.close()

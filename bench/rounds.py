"""Rounds to be drained: monitors by the thousand, and jobs that look at each of them once, now."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from bench.drains import Queue, TocsinQueue
from bench.harness import Servers, execute, in_context
from shared.clock import utc_now
from shared.domain.jobs import JobKind, NewJob
from shared.domain.rounds import MAX_VISITS, encode_round
from shared.domain.slots import Visit
from shared.services.job_submission import Submission
from shared.wiring import ProcessContext

_PLANT = """
    with made as (
        insert into series (identity, kind, name, labels, monitor_id)
        select sha256('monitor:'::bytea || uuid_send(id)), 'http', 'bench', '{}', id from unnest($1::uuid[]) m (id)
        returning series_id, monitor_id),
    monitored as (
        insert into monitors (monitor_id, group_name, name, kind, target, shown, interval_ms, confirmations, confirm_ms,
                              series_id, created_by)
        select id, 'bench', id::text, 'http', target, '{}', 86400000, 1, 5000, series_id, 'bench'
        from unnest($1::uuid[], $2::text[]) m (id, target) join made on made.monitor_id = m.id
        returning monitor_id),
    stated as (insert into monitor_states (monitor_id, since, state) select monitor_id, now(), 4 from monitored),
    spanned as (insert into state_spans (monitor_id, started_at, state) select monitor_id, now(), 4 from monitored)
    insert into schedules (monitor_id) select monitor_id from monitored
"""


class Rounds:
    """Monitors of a day's interval, so that no look is too late however long it waits; nothing schedules them."""

    def __init__(self, servers: Servers, targets: Sequence[dict[str, object]]) -> None:
        self._servers = servers
        self._ids: list[UUID] = [UUID(str(uuid7())) for _ in targets]
        asyncio.run(self._plant([json.dumps(target) for target in targets]))

    def queue(self) -> Queue:
        """A look at each monitor, a hundred a round, at slots of their own each time it is filled."""
        rounds = -(-len(self._ids) // MAX_VISITS)
        drained = TocsinQueue(self._servers).of(JobKind.ROUND, [""] * rounds)
        return Queue(rounds, clear=self._clear, fill=self._fill, wait=drained.wait)

    def close(self) -> None:
        """Remove the monitors."""
        asyncio.run(execute(self._servers.database_url, "truncate monitors cascade"))

    async def _plant(self, targets: Sequence[str]) -> None:
        connection = await asyncpg.connect(self._servers.database_url)
        await connection.execute(_PLANT, self._ids, targets)
        await connection.close()

    def _clear(self) -> None:
        asyncio.run(execute(self._servers.database_url, "truncate jobs cascade"))

    def _fill(self) -> None:
        slot = utc_now() - timedelta(milliseconds=1)
        slot = slot.replace(microsecond=slot.microsecond // 1000 * 1000)
        visits = [Visit(monitor_id, 1, slot) for monitor_id in self._ids]
        specs = [encode_round(visits[first : first + MAX_VISITS]) for first in range(0, len(visits), MAX_VISITS)]
        jobs = [NewJob(uuid7(), JobKind.ROUND, spec, utc_now(), max_attempts=3, principal_id="bench") for spec in specs]

        async def act(context: ProcessContext) -> None:
            await context.submission.submit_many([Submission(job) for job in jobs])

        in_context(self._servers, act)

"""Rounds to be drained: monitors by the thousand, and jobs that look at each of them once, now."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from uuid_utils.compat import uuid7

from bench.drains import Queue, TocsinQueue
from bench.harness import Servers, execute, in_context
from bench.planting import plant
from shared.clock import utc_now
from shared.domain.job.jobs import JobKind, NewJob
from shared.domain.monitor.rounds import MAX_VISITS, encode_round
from shared.domain.monitor.slots import Visit
from shared.domain.sample.segments import DAY
from shared.services.job.job_submission import Submission
from shared.wiring import ProcessContext


class Rounds:
    """Monitors of a day's interval, so that no look is too late however long it waits; nothing schedules them."""

    def __init__(self, servers: Servers, targets: Sequence[dict[str, object]]) -> None:
        self._servers = servers
        self._ids = plant(servers, targets, interval=DAY)

    def queue(self) -> Queue:
        """A look at each monitor, a hundred a round, at slots of their own each time it is filled."""
        rounds = -(-len(self._ids) // MAX_VISITS)
        drained = TocsinQueue(self._servers).of(JobKind.ROUND, [""] * rounds)
        return Queue(rounds, clear=self._clear, fill=self._fill, wait=drained.wait)

    def close(self) -> None:
        """Remove the monitors."""
        asyncio.run(execute(self._servers.database_url, "truncate monitors cascade"))

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

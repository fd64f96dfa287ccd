"""Notices from the firing to the receiver: real rows, real jobs, a real HTTP receiver, and duties when a test asks."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from http_servers import Seen, answer, serve
from job_bench import Bench
from notice_site import NoticeSite

from shared.clock import utc_now
from shared.coordination.channel_turns import ChannelTurns
from shared.domain.job.jobs import Ring
from shared.notifiers.pagerduty import PagerDutyNotifier
from shared.notifiers.posting import Poster
from shared.notifiers.webhook import WebhookNotifier
from shared.services.channel.channel_health import ChannelHealth
from shared.services.job.job_execution import JobExecution
from shared.services.job.notify_work import NotifyWork, TellingWork
from shared.services.notice.escalation import Escalation
from shared.services.notice.notice_upkeep import NoticeUpkeep
from shared.services.notice.notice_work import NoticeTelling, NoticeWork
from shared.transport.curl import CurlClient
from shared.vault import Vault


@dataclass
class Receiver:
    """Takes webhooks, or refuses them, as a test says; the status of the next answers is `status`."""

    status: str = "200 OK"
    seen: list[Seen] = field(default_factory=list)
    on_request: Callable[[], None] | None = None

    async def __call__(self, seen: Seen, writer: Any) -> None:
        self.seen.append(seen)
        if self.on_request is not None:
            self.on_request()
        writer.write(answer(status=self.status))
        await writer.drain()

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the webhooks told so far, in their order: each alert's host and status."""
        return [(alert["labels"]["host"], alert["status"]) for body in self.bodies for alert in body["alerts"]]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies so far."""
        return [json.loads(seen.body) for seen in self.seen]

    @property
    def ids(self) -> Counter[str]:
        """How often each notice came."""
        return Counter(seen.headers["webhook-id"] for seen in self.seen)


class NoticeBench:
    """A site, a worker that tells, and upkeep."""

    def __init__(self, bench: Bench, client: CurlClient) -> None:
        self.bench = bench
        self.site = NoticeSite(bench.database)
        telling = NoticeTelling(
            {"webhook": WebhookNotifier(client), "pagerduty": PagerDutyNotifier(Poster(client))},
            Vault(),
            ChannelHealth(bench.database, ChannelTurns(bench.redis)),
        )
        self.notices = NoticeWork(bench.database, bench.announcer, telling, clock=utc_now)
        self.upkeep = NoticeUpkeep(bench.database, bench.announcer)
        self.escalation = Escalation(bench.database, bench.announcer)
        self.execution = self.worker()

    def worker(self, owner: str = "worker-1") -> JobExecution:
        """A worker's walk of jobs."""
        return self.bench.worker(TellingWork(NotifyWork({}), self.notices), owner=owner)[0]

    @asynccontextmanager
    async def receiving(self, *, status: str = "200 OK", **options: object) -> AsyncIterator[Receiver]:
        """A receiver that answers with a status, and the channel `ops` to it; `options` are the channel's."""
        receiver = Receiver(status=status)
        async with serve(receiver) as server:
            await self.site.channel(url=server.url(), **options)
            yield receiver

    async def due(self) -> list[Ring]:
        """The rings of all notify jobs that wait, their times having come."""
        await self.bench.make_due()
        await self.bench.recovery.promote()
        return await self.queued()

    async def queued(self) -> list[Ring]:
        """The rings of all jobs that are queued."""
        rows = await self.site.rows(
            "select job_id, dispatch_no, queue from jobs where state = 'queued' order by job_id"
        )
        return [Ring(row.job_id, row.dispatch_no, row.queue) for row in rows]

    async def try_all(self) -> int:
        """Try each job that waits once; answers how many."""
        rings = await self.due()
        for ring in rings:
            await self.execution.run(ring)
        return len(rings)

    async def run(self, *, rounds: int = 50) -> None:
        """Try and settle until nothing moves any more."""
        for _ in range(rounds):
            moved = await self.try_all() + await self.upkeep.settle()
            if not moved:
                return
        raise AssertionError("notices went on and on")

    async def states(self) -> list[str]:
        """The states of all notices, the oldest first."""
        return [notice.state for notice in await self.site.notices()]

    async def is_settled(self, alert_id: UUID) -> bool:
        """Whether nobody is owed anything of an alert."""
        rows = await self.site.rows("select bool_and(is_settled) as s from tellings where alert_id = $1", alert_id)
        return bool(rows[0].s)

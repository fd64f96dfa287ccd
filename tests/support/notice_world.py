"""Alerts, two channels and their notices in a real PostgreSQL, moved by single steps, with receivers that remember."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from job_bench import Bench
from notice_site import NoticeSite, fired_of, resolved_of, subject
from redis.asyncio import Redis
from uuid_utils.compat import uuid4

from shared.clock import utc_now
from shared.coordination.channel_turns import ChannelTurns
from shared.domain.channel.notifications import AlertMessage, Message, WebhookChannel
from shared.domain.job.jobs import Failure, JobKind, Ring
from shared.domain.job.leases import ClaimedJob
from shared.notifiers.base import Delivery
from shared.services.channel.channel_health import ChannelHealth
from shared.services.job.notify_work import NotifyWork, TellingWork
from shared.services.notice.composition import Composition
from shared.services.notice.notice_upkeep import NoticeUpkeep
from shared.services.notice.notice_work import NoticeTelling, NoticeWork
from shared.storage.database import Database, create_engine
from shared.vault import Vault

CHANNELS: Mapping[str, Mapping[str, Any]] = {"together": {}, "each": {"group_by": ["..."]}}
ANSWERS: Mapping[str, Failure | None] = {
    "taken": None,
    "away": Failure("unavailable", "the receiver answered 503"),
    "refused": Failure("rejected", "the receiver answered 400", is_permanent=True),
}
_TABLES = ("alerts", "alert_events", "alert_groups", "tellings", "notices", "channels", "silences", "jobs")

Heard = tuple[str, UUID, str, bool]
"""A notice's id, an alert, its status, and whether that was news."""


@dataclass
class Receivers:
    """The other side of both channels: what they answer, and what they have taken."""

    answers: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CHANNELS, "taken"))
    taken: dict[str, list[Heard]] = field(default_factory=lambda: {name: [] for name in CHANNELS})
    said: dict[str, str] = field(default_factory=dict)

    async def deliver(self, channel: WebhookChannel, message: Message, *, notification_id: UUID) -> Delivery:
        """Answer as told. A repeat has to say the same."""
        assert isinstance(message, AlertMessage)
        notice_id, said = str(notification_id), repr(message)
        assert self.said.setdefault(notice_id, said) == said, "a repeat says something else"
        name = channel.url.rpartition("/")[2]
        failure = ANSWERS[self.answers[name]]
        if failure is None:
            self.taken[name] += [(notice_id, a.alert_id, a.status, a.is_news) for a in message.content.alerts]
        return Delivery({}, failure)

    async def close(self) -> None:
        """Keep nothing open."""


class NoticeWorld:
    """One worker that tells, and upkeep, over a database of its own for as long as it lives."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.database = Database(create_engine(database_url, pool_size=3, name="notices"))
        self.redis = Redis.from_url(redis_url, socket_timeout=10)
        self.bench = Bench(self.database, self.redis)
        self.site = NoticeSite(self.database)
        self.receivers = Receivers()
        self.channels: dict[str, UUID] = {}
        health = ChannelHealth(self.database, ChannelTurns(self.redis))
        telling = NoticeTelling({"webhook": self.receivers}, Vault(), health)
        self.notices = NoticeWork(self.database, self.bench.announcer, telling, clock=utc_now)
        self.upkeep = NoticeUpkeep(self.database, self.bench.announcer)
        self.execution, _ = self.bench.worker(TellingWork(NotifyWork({}), self.notices))

    async def begin(self) -> None:
        """Start with the two channels and nothing else."""
        for table in _TABLES:
            await self.site.set(f"delete from {table}")
        for name, options in CHANNELS.items():
            self.channels[name] = await self.site.channel(name, url=f"http://receiver.example/{name}", **options)

    async def end(self) -> None:
        """Let go of everything."""
        await self.execution.drain()
        await self.bench.announcer.drain()
        await self.database.close()
        await self.redis.aclose()

    async def fire(self, host: str) -> UUID:
        """A new life of the alert of a host, which both channels are to hear of."""
        fired = fired_of(subject(host, channels=tuple(CHANNELS)))
        await self.site.change(fired)
        return fired.alert_id

    async def resolve(self, alert_id: UUID) -> None:
        """The end of it."""
        await self.site.change(resolved_of(alert_id))

    async def rings(self) -> list[Ring]:
        """The rings of all notify jobs that wait, their times having come; no channel's circuit keeps them waiting."""
        await self.site.set("update channels set failures = 0")
        await self.bench.make_due()
        await self.bench.recovery.promote()
        rows = await self.site.rows(
            "select job_id, dispatch_no, queue from jobs where state = 'queued' order by job_id"
        )
        return [Ring(row.job_id, row.dispatch_no, row.queue) for row in rows]

    async def try_all(self) -> int:
        """Let a worker try everything once; answers how much that was."""
        rings = await self.rings()
        for ring in rings:
            await self.execution.run(ring)
        return len(rings)

    async def live(self) -> list[Any]:
        """Live notices whose job waits."""
        return list(
            await self.site.rows(
                """
                select n.* from notices n join jobs j using (job_id)
                where n.ended_at is null and j.state in ('queued', 'scheduled', 'retrying') order by n.notice_id
                """
            )
        )

    async def compose_and_crash(self, notice: Any) -> None:
        """A worker composes it, and is gone."""
        async with self.database.transaction() as work:
            await Composition(work).prepare(notice.notice_id, job_id=notice.job_id)

    async def send_and_crash(self, notice: Any) -> None:
        """A worker sends it, and is gone before it has written that down."""
        now = utc_now()
        claimed = ClaimedJob(
            job_id=notice.job_id,
            kind=JobKind.NOTIFY,
            queue="tocsin:notify",
            spec="{}",
            attempt=1,
            max_attempts=40,
            dispatch_no=1,
            lease_token=uuid4(),
            started_at=now,
            queue_wait_ms=0,
            due_at=now,
            principal_id="alerting",
            effect_id=notice.notice_id,
        )
        await self.notices.tell(claimed, notice.notice_id)

    async def ledger(self) -> list[Any]:
        """Each telling with its channel's name, its alert's state, and the states of the notices that told it."""
        return list(
            await self.site.rows(
                """
                select t.*, c.name as channel, a.state, f.state as fire_state, r.state as resolve_state
                from tellings t join alerts a using (alert_id) join channels c using (channel_id)
                left join notices f on f.notice_id = t.fire_notice_id
                left join notices r on r.notice_id = t.resolve_notice_id
                """
            )
        )

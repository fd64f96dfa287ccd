"""What every process has once: its connections, and the services that need no collector."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from arq.connections import ArqRedis

from shared.broker import connect_redis
from shared.clock import Clock, utc_now
from shared.domain.live import LiveEvent
from shared.events import JobEvents, Orders
from shared.live_events import LiveEvents
from shared.services.alert.alerting import Alerting
from shared.services.fleet.fleet import Fleet
from shared.services.job.announcer import Announcer
from shared.services.job.job_control import JobControl
from shared.services.job.job_submission import JobSubmission
from shared.services.job.requeue import Requeue
from shared.services.sample.statistics import Statistics
from shared.settings import Settings
from shared.storage.database import Database, create_engine
from shared.task_queue import Doorbell, TaskQueue
from shared.telemetry.alert_metrics import note_changes
from shared.vault import InvalidKeyError, Vault


class NotConfiguredError(Exception):
    """A setting that this process needs is missing; the message names it."""


@dataclass(frozen=True)
class ProcessContext:
    """What a process of Tocsin has once: its settings, its connections, and the services that stand on them."""

    settings: Settings
    clock: Clock
    database: Database
    redis: ArqRedis
    task_queue: TaskQueue
    doorbell: Doorbell
    events: JobEvents
    live: LiveEvents
    orders: Orders
    fleet: Fleet
    announcer: Announcer
    submission: JobSubmission
    control: JobControl
    requeue: Requeue
    statistics: Statistics
    alerting: Alerting
    vault: Vault

    @classmethod
    def open(cls, settings: Settings, *, name: str, clock: Clock = utc_now) -> "ProcessContext":
        """Make the context; nothing is connected before it is first used. `name` is shown in the servers' own lists.

        Raises:
            NotConfiguredError: there is no database or no Redis to use, or a key of secrets is none.
        """
        if settings.database_url is None or settings.redis_url is None:
            raise NotConfiguredError("set TOCSIN_DATABASE_URL and TOCSIN_REDIS_URL, or start all by `tocsin up`")
        vault = open_vault(settings)
        database_url = settings.database_url.get_secret_value()
        database = Database(
            create_engine(database_url, pool_size=settings.database_pool_size, name=name),
            slow_query_ms=settings.slow_query_ms,
            pulse_engine=create_engine(database_url, pool_size=1, name=f"{name} heartbeat"),
        )
        redis = connect_redis(settings.redis_url.get_secret_value())
        task_queue = TaskQueue(redis)
        doorbell = Doorbell(task_queue)
        events = JobEvents(redis)
        live = LiveEvents(redis)
        orders = Orders(redis)
        announcer = Announcer(doorbell, events, live)
        return cls(
            settings=settings,
            clock=clock,
            database=database,
            redis=redis,
            task_queue=task_queue,
            doorbell=doorbell,
            events=events,
            live=live,
            orders=orders,
            fleet=Fleet(database, orders),
            announcer=announcer,
            submission=JobSubmission(database, doorbell, clock=clock, max_pending=settings.submit_buffer),
            control=JobControl(database, announcer, orders),
            requeue=Requeue(database, announcer),
            statistics=Statistics(database),
            alerting=Alerting(partial(announcer.announce, ()), partial(_publish, live)),
            vault=vault,
        )

    def publish(self, events: Sequence[LiveEvent]) -> None:
        """Count what was committed, and tell it to whoever watches, in the background; never waited for."""
        _publish(self.live, events)

    async def close(self) -> None:
        """Finish what was taken, then let go of all connections."""
        await self.submission.drain()
        await self.events.drain()
        await self.live.close()
        await self.database.close()
        await self.redis.aclose(close_connection_pool=True)


def _publish(live: LiveEvents, events: Sequence[LiveEvent]) -> None:
    note_changes(events)
    live.publish_soon(events)


def open_vault(settings: Settings) -> Vault:
    """The vault of the settings' keys; without a key it keeps no secret.

    Raises:
        NotConfiguredError: one of the keys is none; the message does not repeat it.
    """
    try:
        return Vault.of_setting(settings.secret_keys.get_secret_value() if settings.secret_keys else None)
    except InvalidKeyError as error:
        raise NotConfiguredError(str(error)) from None

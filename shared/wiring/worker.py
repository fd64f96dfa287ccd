"""What a worker process has beside its context: collectors, notifiers, leases, the work of jobs, upkeep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog

from shared.collectors.file import FileCollector
from shared.collectors.registry import build_collectors
from shared.coordination.breaker import Breaker
from shared.coordination.file_marks import MarksInRedis
from shared.domain.job.jobs import JobKind
from shared.domain.job.steps import StepHook, no_hook
from shared.domain.monitor.looks import TakenLook
from shared.domain.sample.storage_cap import parse_size
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.base import Notifier
from shared.notifiers.registry import build_notifiers
from shared.services.fleet.vitals import Vitals
from shared.services.heartbeat.heartbeats import Heartbeats
from shared.services.job.holds import Holds
from shared.services.job.job_execution import JobExecution, JobWork
from shared.services.job.job_recovery import JobRecovery
from shared.services.job.job_secrets import JobSecrets, UnsealedWork
from shared.services.job.leases import Leases
from shared.services.job.notify_work import NotifyWork
from shared.services.job.requeue_work import RequeueWork
from shared.services.job.retention import Retention
from shared.services.job.ring_repair import CountRepairs, RingRepair, count_nothing
from shared.services.monitor.recorder import Recorder
from shared.services.monitor.round_targets import RoundTargets
from shared.services.monitor.round_upkeep import RoundUpkeep
from shared.services.monitor.round_work import RoundWork
from shared.services.monitor.scheduling import CountMissed, NoteSchedule, Scheduling, count_no_misses, note_nothing
from shared.services.monitor.silence import Silence
from shared.services.sample.compaction import Compaction
from shared.services.sample.partitions import SampleRetention, keep_partitions
from shared.services.sample.rollups import Rollups
from shared.services.sample.storage_cap import StorageCap
from shared.services.secret.secrets import SecretValues
from shared.services.target.collect_work import CollectWork
from shared.services.target.collection import Collection
from shared.services.target.egress_blame import with_canary
from shared.services.target.egress_canary import EgressCanary
from shared.settings import Settings
from shared.storage.sample.series_store import SeriesDirectory
from shared.telemetry.look_metrics import note_lag
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolved, Resolver
from shared.wiring.canaries import Canaries
from shared.wiring.process import ProcessContext

_log = structlog.get_logger()

POSTGRESQL_PORT = 5432
REDIS_PORT = 6379
OWN_NAMES_TIMEOUT_SECONDS = 5.0
WATCH_SECONDS = 4.0
"""How often a worker looks which life Redis is in: two commands, of the two a second that an idle worker may send."""


class InvalidSettingError(Exception):
    """A setting cannot be read; the message names it."""


@dataclass(frozen=True)
class WorkerServices:
    """What a worker process has beside its context: its leases, the work of each kind of job, and upkeep."""

    context: ProcessContext
    leases: Leases
    execution: JobExecution
    recovery: JobRecovery
    holds: Holds
    heartbeats: Heartbeats
    repair: RingRepair
    scheduling: Scheduling
    round_upkeep: RoundUpkeep
    retention: Retention
    rollups: Rollups
    compaction: Compaction
    storage_cap: StorageCap
    collection: Collection
    recorder: Recorder
    round_work: RoundWork
    silence: Silence
    canaries: Canaries
    notifiers: Mapping[str, Notifier[Any]]
    resolver: Resolver

    @classmethod
    async def open(
        cls,
        context: ProcessContext,
        *,
        worker_id: str,
        count_repairs: CountRepairs = count_nothing,
        note_schedule: NoteSchedule = note_nothing,
        count_missed: CountMissed = count_no_misses,
    ) -> "WorkerServices":
        """Make the services; names of our own servers are resolved, so that collectors are never aimed at them.

        Raises:
            InvalidSettingError: what may be dialled is written wrongly.
        """
        resolver = Resolver()
        own = await own_endpoints(context.settings, resolver)
        try:
            canaries = Canaries(context.settings.canaries, resolver)
            collection = _build_collection(context, resolver, own=own, egress=canaries.watched)
            notifiers = _build_notifiers(context.settings, resolver, own=own)
        except ValueError as error:
            await resolver.close()
            raise InvalidSettingError(str(error)) from error
        leases = Leases(
            context.database,
            context.announcer,
            vitals=Vitals(worker_id),
            duration=timedelta(seconds=context.settings.lease_seconds),
        )
        recorder = Recorder(context.database, context.live.publish_soon, note_look=partial(_note_look, leases.vitals))
        job_secrets = JobSecrets(context.vault)
        round_work = RoundWork(
            context.database, collection, targets=RoundTargets(context.database, context.vault), recorder=recorder
        )
        works: dict[JobKind, JobWork] = {
            JobKind.COLLECT: UnsealedWork(CollectWork(collection, SeriesDirectory(context.database)), job_secrets),
            JobKind.NOTIFY: UnsealedWork(NotifyWork(notifiers), job_secrets),
            JobKind.REQUEUE: RequeueWork(context.database, context.announcer),
            JobKind.ROUND: round_work,
        }
        return cls(
            context=context,
            leases=leases,
            execution=build_execution(context, leases, works),
            recovery=JobRecovery(context.database, context.announcer, clock=context.clock),
            holds=Holds(context.database, context.announcer),
            heartbeats=Heartbeats(context.database, context.live.publish_soon),
            repair=RingRepair(
                context.database,
                context.redis,
                context.task_queue,
                count_repairs=count_repairs,
                watch_seconds=WATCH_SECONDS,
            ),
            scheduling=Scheduling(context.database, context.announcer, note=note_schedule),
            round_upkeep=RoundUpkeep(context.database, count_missed=count_missed),
            retention=Retention(context.database, job_days=context.settings.job_days),
            rollups=Rollups(context.database),
            compaction=Compaction(context.database, hot_days=context.settings.hot_days),
            storage_cap=StorageCap(context.database, cap=parse_size(context.settings.storage_cap)),
            collection=collection,
            recorder=recorder,
            round_work=round_work,
            canaries=canaries,
            silence=Silence(context.database, context.live.publish_soon),
            notifiers=notifiers,
            resolver=resolver,
        )

    async def keep_partitions(self) -> int:
        """Make the coming days' partitions and drop those whose time is over; answer 0, nothing waits for more."""
        await keep_partitions(self.context.database, _kept(self.context.settings))
        return 0

    async def watch_egress(self) -> int:
        """Ask this worker's canaries, and let its heartbeat tell of them; answer 0, nothing waits for more."""
        await self.canaries.watched.watch()
        self.leases.vitals.egress = self.canaries.watched.state
        return 0

    async def pack_days(self) -> int:
        """Pack the samples of days that are no longer hot."""
        report = await self.compaction.advance(self.context.clock())
        return report.moved

    async def roll_up(self) -> int:
        """Sum up the hours and days that are over."""
        report = await self.rollups.advance(self.context.clock())
        return report.moved

    async def close(self) -> None:
        """Write down what was found, then let go of what collectors and notifiers keep open."""
        await self.recorder.drain()
        await self.collection.close()
        await self.canaries.close()
        for notifier in self.notifiers.values():
            await notifier.close()
        await self.resolver.close()


def _note_look(vitals: Vitals, look: TakenLook) -> None:
    vitals.load.note_look()
    lag_ms = look.reading.metrics.get("lag_ms")
    if lag_ms is not None:
        note_lag(lag_ms)


def build_execution(
    context: ProcessContext, leases: Leases, works: Mapping[JobKind, JobWork], *, on_step: StepHook = no_hook
) -> JobExecution:
    """The walk of jobs through this process."""
    return JobExecution(
        context.database, context.announcer, leases=leases, works=works, clock=context.clock, on_step=on_step
    )


def _build_collection(
    context: ProcessContext, resolver: Resolver, *, own: Sequence[str], egress: EgressCanary
) -> Collection:
    settings = context.settings
    policy = EgressPolicy.parse(
        settings.egress, settings.egress_allow, allow_loopback=settings.egress_loopback, denied_endpoints=own
    )
    dialler = Dialler(resolver, policy)
    files = FileCollector(settings.file_roots.split(":"), MarksInRedis(context.redis), clock=context.clock)
    collectors = build_collectors(
        dialler,
        CurlClient(dialler, max_total=settings.target_slots),
        files=files,
        allows_local_sockets=settings.egress_loopback,
    )
    return Collection(
        with_canary(collectors, egress),
        clock=context.clock,
        target_slots=settings.target_slots,
        host_slots=settings.host_slots,
        breaker=Breaker(context.redis),
        secrets=SecretValues(context.database, context.vault),
    )


def _build_notifiers(settings: Settings, resolver: Resolver, *, own: Sequence[str]) -> Mapping[str, Notifier[Any]]:
    policy = EgressPolicy.parse(
        settings.webhook_egress,
        settings.egress_allow,
        allow_loopback=settings.egress_loopback,
        denied_endpoints=own,
        setting="TOCSIN_WEBHOOK_EGRESS",
    )
    dialler = Dialler(resolver, policy)
    smtp_url = settings.smtp_url.get_secret_value() if settings.smtp_url else None
    return build_notifiers(dialler, CurlClient(dialler), mail_from=settings.mail_from, smtp_url=smtp_url)


def _kept(settings: Settings) -> SampleRetention:
    return SampleRetention(max(settings.sample_days, settings.hot_days), settings.hour_days)


async def own_endpoints(settings: Settings, resolver: Resolver) -> list[str]:
    """`address:port` of our own database, broker and API, which are never dialled for somebody."""
    places: list[tuple[str, int]] = [(settings.host, settings.port)]
    for url, port in ((settings.database_url, POSTGRESQL_PORT), (settings.redis_url, REDIS_PORT)):
        parts = urlsplit(url.get_secret_value() if url else "")
        if parts.hostname:
            places.append((parts.hostname, parts.port or port))
    found: list[str] = []
    for host, port in places:
        resolved = await resolver.resolve(host, timeout_seconds=OWN_NAMES_TIMEOUT_SECONDS)
        if not isinstance(resolved, Resolved):
            _log.warning("own_server_not_resolved", host=host, reason=resolved.message)
            continue
        found += [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in resolved.addresses]
    return found

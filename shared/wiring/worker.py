"""What a worker process has beside its context: leases, the work of jobs, upkeep."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from shared.coordination.channel_turns import ChannelTurns
from shared.domain.job.jobs import JobKind
from shared.domain.job.steps import StepHook, no_hook
from shared.domain.monitor.looks import TakenLook
from shared.domain.sample.storage_cap import parse_size
from shared.services.alert.alert_retention import AlertRetention
from shared.services.alert.inbound import PATIENCE, InboundAlerts
from shared.services.channel.channel_health import ChannelHealth
from shared.services.fleet.vitals import Vitals
from shared.services.heartbeat.heartbeats import Heartbeats
from shared.services.job.holds import Holds
from shared.services.job.job_execution import JobExecution, JobWork
from shared.services.job.job_recovery import JobRecovery
from shared.services.job.job_secrets import JobSecrets, UnsealedWork
from shared.services.job.leases import Leases
from shared.services.job.notify_work import NotifyWork, TellingWork
from shared.services.job.requeue_work import RequeueWork
from shared.services.job.retention import Retention
from shared.services.job.ring_repair import CountRepairs, RingRepair, count_nothing
from shared.services.judging.rule_sweep import RuleSweep
from shared.services.monitor.recorder import Recorder
from shared.services.monitor.round_targets import RoundTargets
from shared.services.monitor.round_upkeep import RoundUpkeep
from shared.services.monitor.round_work import RoundWork
from shared.services.monitor.scheduling import CountMissed, NoteSchedule, Scheduling, count_no_misses, note_nothing
from shared.services.monitor.silence import Silence
from shared.services.notice.escalation import Escalation
from shared.services.notice.notice_upkeep import NoticeUpkeep
from shared.services.notice.notice_work import NoticeTelling, NoticeWork
from shared.services.sample.compaction import Compaction
from shared.services.sample.partitions import SampleRetention, keep_partitions
from shared.services.sample.rollups import Rollups
from shared.services.sample.storage_cap import StorageCap
from shared.services.suppression.maintenance import Maintenances
from shared.services.suppression.maintenance_upkeep import MaintenanceUpkeep
from shared.services.suppression.silences import Silences
from shared.services.target.collect_work import CollectWork
from shared.settings import Settings
from shared.storage.sample.series_store import SeriesDirectory
from shared.telemetry.look_metrics import note_lag
from shared.wiring.outside import Outside
from shared.wiring.process import ProcessContext

WATCH_SECONDS = 4.0
"""How often a worker looks which life Redis is in: two commands, of the two a second that an idle worker may send."""


@dataclass(frozen=True)
class UpkeepNotes:
    """Whom upkeep tells what it did, for the process's metrics; nobody, unless said otherwise."""

    count_repairs: CountRepairs = count_nothing
    note_schedule: NoteSchedule = note_nothing
    count_missed: CountMissed = count_no_misses


class WorkerServices:
    """What a worker process has beside its context: its leases, the work of each kind of job, and upkeep."""

    def __init__(self, context: ProcessContext, outside: Outside, *, worker_id: str, notes: UpkeepNotes) -> None:
        self.context = context
        self.collection = outside.collection
        self.canaries = outside.canaries
        self._outside = outside
        self.leases = Leases(
            context.database,
            context.announcer,
            vitals=Vitals(worker_id),
            duration=timedelta(seconds=context.settings.lease_seconds),
        )
        self._keep_jobs(context, notes)
        self._keep_monitors(context, notes)
        self._keep_samples(context)
        self._keep_notices(context)
        self.execution = build_execution(context, self.leases, self._works())

    @classmethod
    async def open(
        cls, context: ProcessContext, *, worker_id: str, notes: UpkeepNotes = UpkeepNotes()
    ) -> "WorkerServices":
        """Make the services, and what they reach the world by.

        Raises:
            InvalidSettingError: what may be dialled is written wrongly.
        """
        return cls(context, await Outside.open(context), worker_id=worker_id, notes=notes)

    def _keep_jobs(self, context: ProcessContext, notes: UpkeepNotes) -> None:
        self.recovery = JobRecovery(context.database, context.announcer, clock=context.clock)
        self.holds = Holds(context.database, context.announcer)
        self.repair = RingRepair(
            context.database,
            context.redis,
            context.task_queue,
            count_repairs=notes.count_repairs,
            watch_seconds=WATCH_SECONDS,
        )
        self.retention = Retention(context.database, job_days=context.settings.job_days)
        self.alert_retention = AlertRetention(context.database, alert_days=context.settings.alert_days)

    def _keep_monitors(self, context: ProcessContext, notes: UpkeepNotes) -> None:
        self.scheduling = Scheduling(context.database, context.announcer, note=notes.note_schedule)
        self.round_upkeep = RoundUpkeep(context.database, count_missed=notes.count_missed)
        self.recorder = Recorder(
            context.database, context.publish, context.alerting, note_look=partial(_note_look, self.leases.vitals)
        )
        self.round_work = RoundWork(
            context.database,
            self.collection,
            targets=RoundTargets(context.database, context.vault),
            recorder=self.recorder,
        )
        self.inbound = InboundAlerts(
            context.database, context.announcer, context.publish, clock=context.clock, patience=PATIENCE
        )
        self.silence = Silence(context.database, context.publish, context.alerting)
        self.maintenance = MaintenanceUpkeep(context.database, context.publish, context.alerting)
        self.heartbeats = Heartbeats(context.database, context.publish, context.alerting)
        self.rule_sweep = RuleSweep(context.database, context.alerting)

    def _keep_samples(self, context: ProcessContext) -> None:
        self.rollups = Rollups(context.database)
        self.compaction = Compaction(context.database, hot_days=context.settings.hot_days)
        self.storage_cap = StorageCap(context.database, cap=parse_size(context.settings.storage_cap))

    def _keep_notices(self, context: ProcessContext) -> None:
        self.notice_upkeep = NoticeUpkeep(context.database, context.announcer)
        self.escalation = Escalation(context.database, context.announcer)

    def _works(self) -> dict[JobKind, JobWork]:
        context, job_secrets = self.context, JobSecrets(self.context.vault)
        collecting = CollectWork(self.collection, SeriesDirectory(context.database))
        return {
            JobKind.COLLECT: UnsealedWork(collecting, job_secrets),
            JobKind.NOTIFY: UnsealedWork(
                TellingWork(NotifyWork(self._outside.notifiers), self._notices()), job_secrets
            ),
            JobKind.REQUEUE: RequeueWork(context.database, context.announcer),
            JobKind.ROUND: self.round_work,
        }

    def _notices(self) -> NoticeWork:
        context = self.context
        telling = NoticeTelling(
            self._outside.notifiers,
            context.vault,
            ChannelHealth(context.database, ChannelTurns(context.redis), tell=context.live.publish_soon),
            context.settings.external_url,
        )
        return NoticeWork(context.database, context.announcer, telling, clock=context.clock)

    async def keep_partitions(self) -> int:
        """Make the coming days' partitions and drop those whose time is over; answer 0, nothing waits for more."""
        await keep_partitions(self.context.database, _kept(self.context.settings))
        return 0

    async def forget_suppressions(self) -> int:
        """Delete silences and windows of maintenance that ended long ago."""
        context = self.context
        silences = await Silences(context.database, clock=context.clock).forget()
        return silences + await Maintenances(context.database, clock=context.clock).forget()

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
        await self._outside.close()


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


def _kept(settings: Settings) -> SampleRetention:
    return SampleRetention(max(settings.sample_days, settings.hot_days), settings.hour_days)

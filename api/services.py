"""What one API process has once, and how a route gets it."""

import asyncio
from datetime import timedelta

from starlette.requests import Request

from api.authentication import Authentication
from api.census import Census
from api.cursors import Cursors
from api.exchange import exchange_of
from api.job_reading import JobReading
from api.kept_answers import KeptAnswers
from api.live.hub import LiveHub
from api.live.metrics import LiveMetrics
from api.metrics import ApiMetrics
from api.overview_json import OverviewWriter
from api.ping_keyring import PingKeyring
from api.profiling import Profiling
from api.readiness import Readiness
from api.waiting import Waiting
from shared.domain.access import LOCAL, Principal
from shared.domain.sample.storage_cap import parse_size
from shared.live_events.reader import LiveReader
from shared.services.access import Access
from shared.services.alert.alerts import Alerts
from shared.services.alert.explain import Explaining
from shared.services.alert.inbound import InboundAlerts
from shared.services.channel.channel_trials import ChannelTrials
from shared.services.channel.channels import Channels
from shared.services.fleet.queues import Queues
from shared.services.heartbeat.heartbeats import Heartbeats
from shared.services.heartbeat.ping_keys import PingKeys
from shared.services.heartbeat.provisioning import Provisioning
from shared.services.job.admission import Admission
from shared.services.job.job_secrets import JobSecrets
from shared.services.judging.backtest import Backtesting
from shared.services.monitor.capacity import CapacityService
from shared.services.monitor.coverage import CoverageService
from shared.services.monitor.monitor_directory import MonitorDirectory
from shared.services.monitor.monitors import Monitors
from shared.services.monitor.overview import Overview
from shared.services.monitor.uptime import UptimeService
from shared.services.notice.redelivery import Redelivery
from shared.services.rule.rules import Rules
from shared.services.sample.export import Export
from shared.services.sample.storage_cap import StorageCap
from shared.services.suppression.inhibitions import Inhibitions
from shared.services.suppression.maintenance import Maintenances
from shared.services.suppression.silences import Silences
from shared.settings import Settings
from shared.tasks import end_tasks
from shared.wiring import ProcessContext
from shared.wiring.slots import slots_of

PARALLEL_EXPORTS = 2
"""Exports streamed at once; each takes a connection and a core for a moment, again and again."""

PARALLEL_BATCHES = 2
"""Batches written at once; each holds a database connection that polls and single submissions need too."""


class ApiServices:
    """The process's context and what the API builds on it. Nothing is connected when it is made."""

    def __init__(self, context: ProcessContext) -> None:
        self.context = context
        self.metrics = ApiMetrics()
        self.profiling = Profiling()
        self.readiness = Readiness(context.database, context.redis)
        self.cursors = _cursors_of(context.settings)
        self.access = Access(context.database, clock=context.clock)
        self.authentication = _authentication_of(context.settings, self.access)
        self._serve_jobs(context)
        self._serve_monitors(context)
        self._serve_heartbeats(context)
        self._serve_samples(context)
        self._serve_alerts(context)
        self.census = Census(self.queues, self.capacity, self.alerts, self.channels, self.metrics)

    def _serve_jobs(self, context: ProcessContext) -> None:
        settings = context.settings
        self.queues = Queues(
            context.database, slots=slots_of(settings), default_limit=settings.queue_limit, clock=context.clock
        )
        self.admission = Admission(self.queues)
        self.waiting = Waiting(max_waiters=settings.max_waiters)
        self.reading = JobReading(
            context.database,
            self.waiting,
            clock=context.clock,
            start_delay=self.admission.start_delay,
            keep_days=settings.job_days,
        )
        self.batch_slots = asyncio.Semaphore(PARALLEL_BATCHES)
        self.job_secrets = JobSecrets(context.vault)

    def _serve_monitors(self, context: ProcessContext) -> None:
        self.monitors = Monitors(context.database, context.vault, context.alerting, tell=context.publish)
        self.provisioning = Provisioning(self.monitors)
        self.capacity = CapacityService(context.database, target_slots=context.settings.target_slots)
        self.coverage = CoverageService(context.database, clock=context.clock)
        self.uptime = UptimeService(context.database, clock=context.clock)
        self.overview = Overview(context.database, clock=context.clock)
        self.overview_writer = OverviewWriter()
        self.kept_answers = KeptAnswers()
        self.live = LiveHub(
            LiveReader(context.redis),
            MonitorDirectory(context.database),
            metrics=LiveMetrics(self.metrics.registry),
            max_streams=context.settings.max_streams,
        )

    def _serve_heartbeats(self, context: ProcessContext) -> None:
        self.heartbeats = Heartbeats(context.database, context.publish, context.alerting)
        self.ping_keys = PingKeys(context.database, clock=context.clock)
        self.ping_keyring = PingKeyring(self.ping_keys)

    def _serve_samples(self, context: ProcessContext) -> None:
        self.storage_cap = StorageCap(context.database, cap=parse_size(context.settings.storage_cap))
        self.export = Export(context.database)
        self.export_slots = asyncio.Semaphore(PARALLEL_EXPORTS)

    def _serve_alerts(self, context: ProcessContext) -> None:
        self.alerts = Alerts(context.database, context.publish, clock=context.clock)
        self.explaining = Explaining(context.database)
        self.backtesting = Backtesting(context.database)
        self.inbound = InboundAlerts(context.database, context.announcer, context.publish, clock=context.clock)
        self.channels = Channels(context.database, context.vault, tell=context.live.publish_soon)
        self.channel_trials = ChannelTrials(context.database, context.announcer, clock=context.clock)
        self.redelivery = Redelivery(context.database, context.announcer)
        self.rules = Rules(context.database, kept=timedelta(days=context.settings.sample_days))
        self.silences = Silences(context.database, clock=context.clock)
        self.inhibitions = Inhibitions(context.database)
        self.maintenances = Maintenances(context.database, clock=context.clock)

    async def listen(self) -> None:
        """Hear of changed jobs until cancelled."""
        await self.context.events.listen(self.reading.hear, reconnected=self.reading.hear_reconnect)


class Listening:
    """Hears of changed jobs, and knows how full the queues are, while its block lasts."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    async def __aenter__(self) -> None:
        self._tasks = [
            asyncio.create_task(self._services.listen()),
            asyncio.create_task(self._services.live.run()),
            asyncio.create_task(self._services.admission.run()),
            asyncio.create_task(self._services.heartbeats.listen()),
        ]

    async def __aexit__(self, *_: object) -> None:
        self._services.waiting.close()
        self._services.live.close()
        await end_tasks(self._tasks)


def services_of(request: Request) -> ApiServices:
    """What the process that answers this request has."""
    services: ApiServices = request.app.state.services
    return services


def principal_of(request: Request) -> Principal:
    """Who sends this request, which the gate has let in."""
    return exchange_of(request.scope).principal or LOCAL


def _cursors_of(settings: Settings) -> Cursors:
    # The database's address is what all API processes of an installation share.
    secret = "" if settings.database_url is None else settings.database_url.get_secret_value()
    return Cursors(secret.encode())


def _authentication_of(settings: Settings, access: Access) -> Authentication:
    admin_key = None if settings.admin_key is None else settings.admin_key.get_secret_value()
    is_keyless = settings.is_embedded and settings.is_loopback and admin_key is None
    return Authentication(access, admin_key=admin_key, is_keyless=is_keyless)

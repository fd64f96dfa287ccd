"""How many jobs wait, run and are held back, whether workers keep up, open alerts, and channels, for the metrics."""

import asyncio

from api.metrics import ApiMetrics
from shared.domain.alert.alerts import OPEN_STATES
from shared.domain.fleet.queues import QueueFigures
from shared.domain.job.jobs import BlockReason, JobState
from shared.services.alert.alerts import Alerts
from shared.services.channel.channels import Channels
from shared.services.fleet.queues import QueueReading, Queues
from shared.services.monitor.capacity import CapacityService
from shared.storage.errors import StorageUnavailableError

COUNT_SECONDS = 2.0
"""How long a scrape waits for a new measurement before it is answered with the latest one."""


class Census:
    """Writes what was measured into gauges; the queues' labels are the queues, states and reasons there are."""

    def __init__(
        self, queues: Queues, capacity: CapacityService, alerts: Alerts, channels: Channels, metrics: ApiMetrics
    ) -> None:
        self._queues = queues
        self._capacity = capacity
        self._alerts = alerts
        self._channels = channels
        self._metrics = metrics

    async def refresh(self) -> None:
        """Show what was measured; while the database is away the series are absent."""
        reading = await self._read()
        for gauge in (self._metrics.jobs, self._metrics.blocked, self._metrics.oldest):
            gauge.clear()
        for kind, figures in (reading.figures if reading else {}).items():
            self._show(kind.value, figures)
        await self._show_capacity()
        await self._show_alerts()
        await self._show_channels()

    async def _show_alerts(self) -> None:
        self._metrics.alerts.clear()
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                counts = await self._alerts.count_open()
        except (TimeoutError, StorageUnavailableError):
            return
        for state in OPEN_STATES:
            self._metrics.alerts.labels(state.value).set(sum(each.alerts for each in counts if each.state is state))

    async def _show_channels(self) -> None:
        self._metrics.channels.clear()
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                counts = await self._channels.count_states()
        except (TimeoutError, StorageUnavailableError):
            return
        for state, channels in counts.items():
            self._metrics.channels.labels(state.value).set(channels)

    async def _show_capacity(self) -> None:
        """Show whether the workers keep up; while that cannot be told, what was last known."""
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                figures, capacity = await self._capacity.read()
        except (TimeoutError, StorageUnavailableError):
            return
        self._metrics.desired_workers.set(figures.workers + capacity.add_workers)
        self._metrics.scheduled_rate.set(figures.scheduled_per_second)
        self._metrics.checks_rate.set(figures.checks_per_second)

    async def _read(self) -> QueueReading | None:
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                return await self._queues.current()
        except TimeoutError:
            return self._queues.latest
        except StorageUnavailableError:
            return None

    def _show(self, queue: str, figures: QueueFigures) -> None:
        counts = {
            JobState.QUEUED: figures.depth,
            JobState.SCHEDULED: figures.scheduled,
            JobState.RETRYING: figures.retrying,
            JobState.RUNNING: figures.running,
        }
        for state, count in counts.items():
            self._metrics.jobs.labels(queue, state.value).set(count)
        for reason in BlockReason:
            self._metrics.blocked.labels(queue, reason.value).set(figures.blocked.get(reason, 0))
        self._metrics.oldest.labels(queue).set(figures.oldest_seconds or 0.0)

"""Heartbeats that are made by their first ping, as Healthchecks' `?create=1` asks for."""

from datetime import timedelta

from uuid_utils.compat import uuid7

from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.monitor.monitor_changes import CreateMonitor
from shared.domain.monitor.monitors import MonitorSpec
from shared.services.monitor.monitors import Monitors

GROUP = "pings"
PERIOD = timedelta(days=1)
GRACE = timedelta(hours=1)
"""Healthchecks' own defaults."""


class Provisioning:
    """Makes heartbeats by their slugs."""

    def __init__(self, monitors: Monitors) -> None:
        self._monitors = monitors

    async def ensure(self, slug: str, by: str) -> None:
        """Make the heartbeat of a slug, named after it; one that somebody has made meanwhile stays as it is."""
        target = HeartbeatTarget(kind="heartbeat", slug=slug, grace=GRACE)
        spec = MonitorSpec(name=slug, group=GROUP, target=target, interval=PERIOD)
        await self._monitors.change([CreateMonitor(uuid7(), spec)], by=by)

"""Windows of maintenance: planned, begun at once, and ended; upkeep opens and closes them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.domain.matchers import Matchers
from shared.domain.suppression.maintenance import MAX_MAINTENANCES, Maintenance, MaintenanceState, next_window
from shared.domain.suppression.planned_spans import plan_span
from shared.services.suppression.suppression_bounds import FORGOTTEN_AT_ONCE, KEPT, TooManyError
from shared.storage.database import Database
from shared.storage.suppression.maintenance_member_store import MaintenanceMemberStore
from shared.storage.suppression.maintenance_store import MaintenanceStore


@dataclass(frozen=True, slots=True)
class WantedMaintenance:
    """A window as it is asked for: once, or with a `cron` again and again for a `duration`."""

    name: str
    selector: Matchers
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    duration: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"
    is_uptime_kept_clean: bool = True
    comment: str = ""


class Maintenances:
    """Windows of maintenance of an installation."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def plan(self, wanted: WantedMaintenance, *, by: str) -> Maintenance:
        """The window that is asked for, not kept yet.

        Raises:
            SpanError: its time cannot be.
        """
        now = self._clock()
        if wanted.cron is not None and wanted.duration is not None:
            start, end = next_window(wanted.cron, wanted.timezone, wanted.duration, now=now)
            # One that would have begun before it was made begins now.
            start = max(start, now)
        else:
            span = plan_span(wanted.starts_at, wanted.ends_at, wanted.duration, now=now)
            start, end = span.starts_at, span.ends_at
        return Maintenance(
            uuid7(),
            wanted.name,
            wanted.selector,
            start,
            end,
            cron=wanted.cron,
            timezone=wanted.timezone,
            duration=wanted.duration if wanted.cron is not None else None,
            is_uptime_kept_clean=wanted.is_uptime_kept_clean,
            comment=wanted.comment,
            created_at=now,
            created_by=by,
        )

    async def make(self, window: Maintenance) -> None:
        """Keep a window that was planned.

        Raises:
            TooManyError: as many as may be have not ended.
        """
        async with self._database.transaction() as work:
            store = MaintenanceStore(work)
            if await store.count_live(now=self._clock()) >= MAX_MAINTENANCES:
                raise TooManyError
            await store.insert(window)

    async def end(self, maintenance_id: UUID) -> bool:
        """End a window for good now, and leave it if it has ended; False when there is none of this id."""
        now = self._clock()
        async with self._database.transaction() as work:
            store = MaintenanceStore(work)
            window = await store.lock(maintenance_id)
            if window is not None and window.state_at(now) is not MaintenanceState.ENDED:
                await store.update_times(replace(window, ended_at=now))
        return window is not None

    async def count_selected(self, selector: Matchers) -> int:
        """How many monitors a selector chooses now."""
        async with self._database.transaction() as work:
            return await MaintenanceMemberStore(work).count_selected(selector)

    async def forget(self) -> int:
        """Delete those that ended long ago; how many were."""
        async with self._database.transaction() as work:
            return await MaintenanceStore(work).forget(before=self._clock() - KEPT, limit=FORGOTTEN_AT_ONCE)

    def now(self) -> datetime:
        """The moment by which windows are judged."""
        return self._clock()

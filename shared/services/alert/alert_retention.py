"""Upkeep of alerts that are over: what has been kept long enough is forgotten. Safe anywhere and twice."""

from datetime import timedelta

from shared.storage.alert.alert_retention_store import AlertRetentionStore
from shared.storage.database import Database

AT_ONCE = 500
CLEARED_KEPT_FOR = timedelta(days=1)
"""How long it is told of what pended and never fired; there may be very many, and few ever ask for them."""


class AlertRetention:
    """Deletes in small batches. `alert_days` is how long alerts are kept after they ended, 0 for ever."""

    def __init__(self, database: Database, *, alert_days: int) -> None:
        self._database = database
        self._kept_for = timedelta(days=alert_days)

    async def forget_alerts(self) -> int:
        """Delete alerts that ended long ago with their history, then what nobody speaks of any more; answer how many.

        While another process is at it, none.
        """
        async with self._database.transaction() as work:
            store = AlertRetentionStore(work)
            if not await store.try_lock():
                return 0
            gone = await store.delete_cleared(older_than=CLEARED_KEPT_FOR, limit=AT_ONCE)
            if self._kept_for:
                gone += await store.delete_fired(older_than=self._kept_for, limit=AT_ONCE)
                gone += await store.delete_notices(older_than=self._kept_for, limit=AT_ONCE)
            gone += await store.delete_rules(limit=AT_ONCE)
            return gone + await store.delete_channels(limit=AT_ONCE)

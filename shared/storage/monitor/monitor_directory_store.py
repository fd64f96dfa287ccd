"""What of all monitors can be filtered by, read whole or what changed lately."""

from datetime import timedelta
from uuid import UUID

import msgspec

from shared.domain.live_filters import MonitorFacts
from shared.storage.work import UnitOfWork


class MonitorDirectoryStore:
    """Reads the directory within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_changed(
        self, within: timedelta | None, *, after: UUID | None, limit: int
    ) -> dict[UUID, MonitorFacts]:
        """Monitors in the order of their ids that were changed within a time; any of them for None."""
        rows = await self._work.fetch(
            """
            select monitor_id, group_name, kind, labels::text as labels from monitors
            where ($1::interval is null or updated_at > now() - $1::interval)
              and ($2::uuid is null or monitor_id > $2) order by monitor_id limit $3
            """,
            within,
            after,
            limit,
        )
        return {row.monitor_id: MonitorFacts(row.group_name, row.kind, msgspec.json.decode(row.labels)) for row in rows}

"""How channels fare: tries in a row that failed, since when, and when the last one was delivered."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.storage.database import UnitOfWork
from shared.storage.storable import storable


@dataclass(frozen=True, slots=True)
class Tried:
    """A channel that was tried, how many tries in a row had failed before, and when it was written down."""

    name: str
    failures: int
    at: datetime


class ChannelHealthStore:
    """Writes down how a try went, each by one statement."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def note_delivered(self, channel_id: UUID) -> Tried | None:
        """A try was delivered; None when one was within the last second, and nothing is written down."""
        rows = await self._work.fetch(
            """
            with before as materialized (
                select channel_id, failures from channels
                where channel_id = $1
                  and (failures > 0 or delivered_at is null or delivered_at < now() - interval '1 second')
                for no key update
            )
            update channels c set failures = 0, failing_since = null, delivered_at = now()
            from before where c.channel_id = before.channel_id
            returning c.name, before.failures, now() as at
            """,
            channel_id,
        )
        return Tried(rows[0].name, rows[0].failures, rows[0].at) if rows else None

    async def note_failed(self, channel_id: UUID) -> Tried | None:
        """A try was not delivered; None when there is no such channel."""
        rows = await self._work.fetch(
            """
            update channels set failures = failures + 1, failing_since = coalesce(failing_since, now())
            where channel_id = $1 returning name, failures - 1 as failures, now() as at
            """,
            channel_id,
        )
        return Tried(rows[0].name, rows[0].failures, rows[0].at) if rows else None

    async def disable(self, channel_id: UUID, *, reason: str) -> bool:
        """Disable the channel because of what it answered; False when it was before."""
        rows = await self._work.fetch(
            """
            update channels
            set disabled_at = now(), disabled_reason = $2, version = version + 1, updated_at = now()
            where channel_id = $1 and disabled_at is null
            returning channel_id
            """,
            channel_id,
            storable(reason),
        )
        return bool(rows)

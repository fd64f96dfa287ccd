"""How channels fare: tries in a row that failed, since when, and when the last one was delivered."""

from uuid import UUID

from shared.storage.database import UnitOfWork
from shared.storage.storable import storable


class ChannelHealthStore:
    """Writes down how a try went, each by one statement."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def note_delivered(self, channel_id: UUID) -> bool:
        """A try was delivered; whether others failed just before. Of deliveries within a second one is written down."""
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
            returning before.failures > 0 as is_healed
            """,
            channel_id,
        )
        return bool(rows and rows[0].is_healed)

    async def note_failed(self, channel_id: UUID) -> None:
        """A try was not delivered."""
        await self._work.run(
            "update channels set failures = failures + 1, failing_since = coalesce(failing_since, now())"
            " where channel_id = $1",
            channel_id,
        )

    async def disable(self, channel_id: UUID, *, reason: str) -> str | None:
        """Disable the channel because of what it answered; its name, unless that was done before."""
        rows = await self._work.fetch(
            """
            update channels
            set disabled_at = now(), disabled_reason = $2, version = version + 1, updated_at = now()
            where channel_id = $1 and disabled_at is null
            returning name
            """,
            channel_id,
            storable(reason),
        )
        return rows[0].name if rows else None

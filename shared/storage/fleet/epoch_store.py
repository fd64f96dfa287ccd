"""Which life of Redis was last seen, and since when."""

from shared.storage.database import UnitOfWork

BROKER = "redis"
"""There is one broker; its row's name."""


class EpochStore:
    """Reads and moves the epoch within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find(self) -> str | None:
        """The epoch last seen, None before the first."""
        rows = await self._work.fetch("select epoch from broker_epochs where broker = $1", BROKER)
        return rows[0].epoch if rows else None

    async def record_if_unchanged(self, epoch: str, *, seen: str | None) -> bool:
        """Begin `epoch` now, unless somebody moved on from `seen` meanwhile; of several workers one does."""
        rows = await self._work.fetch(
            """
            insert into broker_epochs as b (broker, epoch, since) values ($1, $2, now())
            on conflict (broker) do update set epoch = excluded.epoch, since = excluded.since where b.epoch = $3
            returning 1
            """,
            BROKER,
            epoch,
            seen,
        )
        return bool(rows)

"""Makes and drops partitions."""

from collections.abc import Collection, Iterable
from datetime import datetime

from shared.storage.advisory_locks import PARTITIONS
from shared.storage.database import UnitOfWork
from shared.storage.sample.partitions import Partitioning, Span


class PartitionStore:
    """Partitions within a transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def try_lock(self) -> bool:
        """Whether this transaction may make partitions now; another one may be at it."""
        rows = await self._work.fetch("select pg_try_advisory_xact_lock($1)", PARTITIONS)
        return bool(rows[0][0])

    async def lock(self) -> None:
        """Wait until this transaction may make partitions."""
        await self._work.run("select pg_advisory_xact_lock($1)", PARTITIONS)

    async def read_now(self) -> datetime:
        """The database's time."""
        now: datetime = (await self._work.fetch("select now() as now"))[0].now
        return now

    async def create_missing(self, partitioning: Partitioning, moments: Iterable[datetime]) -> list[str]:
        """Make the partitions that `moments` fall into and that are not there; the lock must be held.

        A table is made first and attached then: that lets writers and readers of the parent go on, where `create table
        … partition of` would wait for all of them and make all others wait.
        """
        missing = await self._find_missing(partitioning, moments)
        left = await self._find_detached([span.name for span in missing])
        for span in missing:
            if span.name not in left:
                await self._create(partitioning, span)
            elif left[span.name]:
                await self._work.run(f"alter table {partitioning.table} detach partition {span.name} finalize")
            await self._attach(partitioning, span)
        return [span.name for span in missing]

    async def ensure(self, partitioning: Partitioning, moments: Collection[datetime]) -> None:
        """Make what is missing for `moments`, waiting for whoever else is at it."""
        if await self._find_missing(partitioning, moments):
            await self.lock()
            await self.create_missing(partitioning, moments)

    async def list_attached(self, partitioning: Partitioning) -> list[str]:
        """The names of the partitions, oldest first."""
        rows = await self._work.fetch(
            "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = $1::text::regclass order by c.relname",
            partitioning.table,
        )
        return [row[0] for row in rows]

    async def _find_missing(self, partitioning: Partitioning, moments: Iterable[datetime]) -> list[Span]:
        spans = partitioning.spans_of(moments)
        # Read from the catalogue itself: `to_regclass` may remember from before the lock that there was no such table.
        rows = await self._work.fetch(
            "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = $1::text::regclass and not i.inhdetachpending and c.relname = any($2::text[])",
            partitioning.table,
            [span.name for span in spans],
        )
        there = {row[0] for row in rows}
        return [span for span in spans if span.name not in there]

    async def _find_detached(self, names: Collection[str]) -> dict[str, bool]:
        """Which of the tables are there although nobody sees them in the parent, and whether their detaching hangs.

        A drop that was cut off leaves one. Who asks for it has a use for it: it is attached again with what it holds.
        """
        rows = await self._work.fetch(
            "select c.relname::text as name, coalesce(i.inhdetachpending, false) as is_pending"
            " from pg_class c left join pg_inherits i on i.inhrelid = c.oid"
            " where c.relname = any($1::text[]) and c.relnamespace = current_schema()::regnamespace",
            list(names),
        )
        return {row.name: row.is_pending for row in rows}

    async def _create(self, partitioning: Partitioning, span: Span) -> None:
        await self._work.run(f"create table {span.name} (like {partitioning.table} including all)")

    async def _attach(self, partitioning: Partitioning, span: Span) -> None:
        table, column = partitioning.table, partitioning.column
        bounds = f"'{span.start:%Y-%m-%d %H:%M:%S+00}'", f"'{span.end:%Y-%m-%d %H:%M:%S+00}'"
        await self._work.run(
            f"alter table {span.name} add constraint span check ({column} >= {bounds[0]} and {column} < {bounds[1]})"
        )
        await self._work.run(
            f"alter table {table} attach partition {span.name} for values from ({bounds[0]}) to ({bounds[1]})"
        )
        # The check has proved the bounds to the line above; kept, it would be evaluated again for each row.
        await self._work.run(f"alter table {span.name} drop constraint span")

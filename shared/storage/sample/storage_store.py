"""How much room samples and their sums take, and what was dropped of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.sample.storage_cap import MonthSize
from shared.storage.database import UnitOfWork
from shared.storage.sample.partitions import CHUNKS, HOURS, NOTES, SAMPLES, Partitioning

_PARTITIONED = (SAMPLES, CHUNKS, NOTES, HOURS)
_PLAIN = ("sample_late", "rollup_1d")


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with all its partitions and indexes; `rows` is the server's own estimate, 0 where it has none yet."""

    table: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class PackedSize:
    """The newest month of chunks: how many samples are in it, and how many bytes it takes."""

    samples: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A partition that was dropped, and how many bytes it took."""

    at: datetime
    partition: str
    reason: str
    bytes: int


class StorageStore:
    """Sizes within a transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_tables(self) -> list[TableSize]:
        """The tables of samples and their sums."""
        rows = await self._work.fetch(
            """
            select t.name, coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 as bytes,
                   coalesce(sum(greatest(c.reltuples, 0)), 0)::int8 as tuples
            from unnest($1::text[]) with ordinality t(name, place)
            left join pg_inherits i on i.inhparent = t.name::regclass
            left join pg_class c on c.oid = coalesce(i.inhrelid, t.name::regclass)
            group by t.name, t.place order by t.place
            """,
            [*(each.table for each in _PARTITIONED), *_PLAIN],
        )
        return [TableSize(row.name, row.bytes, row.tuples) for row in rows]

    async def list_months(self, partitionings: Sequence[Partitioning]) -> list[MonthSize]:
        """How much each month takes in these tables together, oldest first."""
        sizes: dict[datetime, int] = {}
        for partitioning in partitionings:
            rows = await self._work.fetch(
                "select c.relname::text as name, pg_total_relation_size(c.oid) as bytes"
                " from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass",
                partitioning.table,
            )
            for row in rows:
                end = CHUNKS.span_of(partitioning.start_of(row.name)).end
                sizes[end] = sizes.get(end, 0) + row.bytes
        return [MonthSize(end, sizes[end]) for end in sorted(sizes)]

    async def measure_packed(self) -> PackedSize | None:
        """The newest month of chunks, if there is any."""
        rows = await self._work.fetch(
            "select c.relname::text as name, pg_total_relation_size(c.oid) as bytes from pg_inherits i"
            " join pg_class c on c.oid = i.inhrelid where i.inhparent = 'sample_chunk'::regclass"
            " order by c.relname desc limit 1"
        )
        if not rows:
            return None
        counted = await self._work.fetch(f"select coalesce(sum(samples), 0)::int8 as samples from {rows[0].name}")
        return PackedSize(counted[0].samples, rows[0].bytes)

    async def list_drops(self, limit: int) -> list[Drop]:
        """What was dropped, the newest first."""
        rows = await self._work.fetch(
            "select at, partition, reason, bytes from storage_drops order by drop_id desc limit $1", limit
        )
        return [Drop(row.at, row.partition, row.reason, row.bytes) for row in rows]

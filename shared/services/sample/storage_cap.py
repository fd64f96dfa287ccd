"""Keeps samples within the room they may take, and tells how much that is. Safe anywhere and twice."""

from dataclasses import dataclass

import structlog

from shared.domain.sample.segments import Horizon
from shared.domain.sample.storage_cap import Cut, choose_cut
from shared.storage.database import Database
from shared.storage.sample.partition_retention import DropReason, Kept, forget_before
from shared.storage.sample.partitions import CHUNKS, HOURS, NOTES
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.storage_store import Drop, PackedSize, StorageStore, TableSize

DROPS_SHOWN = 100
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StorageReport:
    """What samples take, how far they reach back, and what was dropped last."""

    tables: list[TableSize]
    packed: PackedSize | None
    horizon: Horizon
    drops: list[Drop]
    cap: int


class StorageCap:
    """Drops the oldest months when all samples together take more than `cap` bytes; 0 is no limit."""

    def __init__(self, database: Database, *, cap: int) -> None:
        self._database = database
        self._cap = cap

    async def report(self) -> StorageReport:
        """How it stands."""
        async with self._database.transaction() as work:
            store = StorageStore(work)
            return StorageReport(
                tables=await store.list_tables(),
                packed=await store.measure_packed(),
                horizon=await read_rollup_state(work),
                drops=await store.list_drops(DROPS_SHOWN),
                cap=self._cap,
            )

    async def enforce(self) -> int:
        """Drop what is too much; how many kinds of data lost a month."""
        if not self._cap:
            return 0
        cut, horizon, total = await self._choose()
        if not cut.is_enough:
            _log.warning("storage_cap_exceeded", bytes=total, cap=self._cap, reason="the newest month is never dropped")
        if cut == Cut(is_enough=cut.is_enough):
            return 0
        kept = Kept(samples=cut.samples or horizon.samples_from, hours=cut.hours or horizon.hours_from)
        await forget_before(self._database, kept, reason=DropReason.SIZE)
        async with self._database.transaction() as work:
            after = await read_rollup_state(work)
        return (after.samples_from > horizon.samples_from) + (after.hours_from > horizon.hours_from)

    async def _choose(self) -> tuple[Cut, Horizon, int]:
        async with self._database.transaction() as work:
            store, horizon = StorageStore(work), await read_rollup_state(work)
            total = sum(table.bytes for table in await store.list_tables())
            newest = CHUNKS.span_of(horizon.claimed_at).start
            chunks = [month for month in await store.list_months([CHUNKS, NOTES]) if month.end <= newest]
            hours = [month for month in await store.list_months([HOURS]) if month.end <= newest]
        return choose_cut(chunks, hours, total=total, cap=self._cap), horizon, total

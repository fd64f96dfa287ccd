"""Upkeep of the doorbell: every queued job has its ring in Redis, and Redis has no others. Safe anywhere and twice."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.coordination.epoch import read_epoch
from shared.domain.job.dispatch import RepairReason, RungJob, dispatch_of
from shared.domain.job.jobs import Ring
from shared.storage.database import Database
from shared.storage.fleet.epoch_store import EpochStore
from shared.storage.job.dispatch_store import DispatchStore
from shared.storage.job.job_store import QUEUE_OF
from shared.task_queue import TaskQueue

_log = structlog.get_logger()

BATCH = 500
RELAY_AFTER = timedelta(seconds=1)
"""A ring follows its commit within milliseconds; what is older and still waits may never have been rung."""
RECONCILE_AFTER = timedelta(seconds=3)
"""A ring follows its mark within milliseconds too; what is older and not in the queue is being claimed, or lost."""
PAGE = 1000
MAX_PAGES = 30
"""How many pages of the backlog one run looks at; the next run goes on from there."""
NAMED = 20
"""How many jobs a warning names."""

CountRepairs = Callable[[RepairReason, int], None]


def count_nothing(_reason: RepairReason, _rings: int) -> None:
    """What a process without metrics counts: nothing."""


class RingRepair:
    """Rings for jobs that Redis does not know of. Each duty answers how much it moved.

    The duties raise RedisError, OSError or TimeoutError while Redis is away, and have moved nothing then.
    `watch_seconds` is how long one look at which life Redis is in stands for the next ones.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        task_queue: TaskQueue,
        *,
        count_repairs: CountRepairs = count_nothing,
        watch_seconds: float = 0.0,
    ) -> None:
        self._database = database
        self._redis = redis
        self._task_queue = task_queue
        self._count_repairs = count_repairs
        self._epoch: str | None = None
        self._watch_seconds = watch_seconds
        self._watch_from = 0.0
        self._walked: RungJob | None = None
        self._scanned = dict.fromkeys(QUEUE_OF.values(), 0)

    async def relay(self, *, older_than: timedelta = RELAY_AFTER) -> int:
        """Ring for queued jobs that were never rung, or not in the present life of Redis."""
        if time.monotonic() >= self._watch_from:
            await self.watch_epoch()
            self._watch_from = time.monotonic() + self._watch_seconds
        async with self._database.transaction() as work:
            store = DispatchStore(work)
            forgotten = await store.mark_forgotten(limit=BATCH)
            unrung = await store.mark_unrung(older_than=older_than, limit=BATCH)
        return await self._ring(forgotten, RepairReason.EPOCH) + await self._ring(unrung, RepairReason.UNRUNG)

    async def watch_epoch(self) -> None:
        """Notice when Redis began another life, and write down since when; of several workers one does."""
        epoch = await read_epoch(self._redis)
        if epoch == self._epoch:
            return
        async with self._database.transaction() as work:
            seen = await EpochStore(work).find()
        # Asked again: what was read before another worker wrote must not be written over it.
        epoch = await read_epoch(self._redis)
        if epoch != seen:
            async with self._database.transaction() as work:
                is_first = await EpochStore(work).record_if_unchanged(epoch, seen=seen)
            if not is_first:
                return
            if seen is None:
                _log.info("redis_known", epoch=epoch)
            else:
                _log.warning("redis_began_anew", epoch=epoch, before=seen)
        self._epoch = epoch

    async def reconcile(self, *, older_than: timedelta = RECONCILE_AFTER) -> int:
        """Ring again for queued jobs that were rung and that Redis no longer knows: a walk through the backlog."""
        moved = 0
        for _ in range(MAX_PAGES):
            async with self._database.transaction() as work:
                page = await DispatchStore(work).list_rung(older_than=older_than, after=self._walked, limit=PAGE)
            self._walked = page[-1] if len(page) == PAGE else None
            moved += await self._ring_missing(page)
            if self._walked is None:
                break
        return moved

    async def sweep(self) -> int:
        """Take rings out of the queues whose job has ended, is unknown or was dispatched anew; a page of each queue."""
        return sum([await self._sweep_queue(queue) for queue in self._scanned])

    async def _ring_missing(self, page: Sequence[RungJob]) -> int:
        unknown = set(await self._task_queue.missing([job.ring for job in page]))
        if not unknown:
            return 0
        async with self._database.transaction() as work:
            rings = await DispatchStore(work).mark_missing([job for job in page if job.ring in unknown])
        return await self._ring(rings, RepairReason.MISSING)

    async def _sweep_queue(self, queue: str) -> int:
        self._scanned[queue], ring_ids = await self._task_queue.scan(queue, self._scanned[queue], count=PAGE)
        dispatches = {ring_id: dispatch_of(ring_id) for ring_id in ring_ids}
        async with self._database.transaction() as work:
            standing = await DispatchStore(work).list_standing([one for one in dispatches.values() if one])
        stale = [ring_id for ring_id, dispatch in dispatches.items() if dispatch not in standing]
        taken = await self._task_queue.drop(queue, stale) if stale else 0
        if taken:
            self._tell(RepairReason.STALE, stale, taken)
        return taken

    async def _ring(self, rings: Sequence[Ring], reason: RepairReason) -> int:
        """Ring for what was just marked as rung; what does not get through is unmarked for the next run."""
        if not rings:
            return 0
        try:
            put = await self._task_queue.ring(rings)
        except REDIS_AWAY:
            async with self._database.transaction() as work:
                await DispatchStore(work).mark_not_rung(rings)
            raise
        # Most of what was not confirmed as rung does wait in its queue; that is no repair.
        if put:
            self._tell(reason, [ring.ring_id for ring in rings], put)
        return len(rings)

    def _tell(self, reason: RepairReason, ring_ids: Sequence[str], count: int) -> None:
        self._count_repairs(reason, count)
        _log.warning("rings_repaired", reason=reason.value, rings=count, among=list(ring_ids[:NAMED]))
        _log.debug("rings_repaired_all", reason=reason.value, among=list(ring_ids))

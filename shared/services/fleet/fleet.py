"""The worker processes there are: looked at, told to be quiet or to go on, and forgotten when they are gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.fleet.workers import HeldJob, Worker, WorkerOrder
from shared.events import Orders
from shared.storage.database import Database
from shared.storage.fleet.worker_store import WorkerStore

KEPT_SILENT = timedelta(days=1)
"""How long a worker that vanished is still shown."""

FORGOTTEN_AT_ONCE = 1000
MAX_HELD_SHOWN = 2500
"""More jobs than one worker process can be set to run."""


@dataclass(frozen=True, slots=True)
class WorkerDetail:
    """A worker, and the jobs it has the lease of."""

    worker: Worker
    jobs: Sequence[HeldJob]


class Fleet:
    """All worker processes, as they report themselves."""

    def __init__(self, database: Database, orders: Orders) -> None:
        self._database = database
        self._orders = orders

    async def list_workers(self, *, after: str | None, limit: int) -> list[Worker]:
        """Workers in the order of their ids, those behind `after`."""
        async with self._database.transaction() as work:
            return await WorkerStore(work).list_workers(after=after, limit=limit)

    async def find(self, worker_id: str) -> WorkerDetail | None:
        """The worker of this id, with its jobs."""
        async with self._database.transaction() as work:
            store = WorkerStore(work)
            worker = await store.find(worker_id)
            return WorkerDetail(worker, await store.list_held(worker_id, limit=MAX_HELD_SHOWN)) if worker else None

    async def order(self, worker_id: str, order: WorkerOrder | None) -> Worker | None:
        """Order something of a worker, or take it back; it hears at once, or with its next heartbeat."""
        async with self._database.transaction() as work:
            worker = await WorkerStore(work).order(worker_id, order)
        if worker is not None:
            await self._orders.publish([worker_id])
        return worker

    async def leave(self, worker_id: str) -> None:
        """Forget a worker that has stopped.

        Raises:
            StorageUnavailableError: the database is away; the worker is shown as silent for a day.
        """
        async with self._database.transaction() as work:
            await WorkerStore(work).remove(worker_id)

    async def forget_silent(self) -> int:
        """Forget workers that vanished long ago; answers how many."""
        async with self._database.transaction() as work:
            return await WorkerStore(work).delete_silent(for_longer_than=KEPT_SILENT, limit=FORGOTTEN_AT_ONCE)

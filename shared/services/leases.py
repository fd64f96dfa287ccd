"""The leases one worker process holds: one batched heartbeat extends them all, and brings back what it must stop."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.lease_store import LeaseStore

_log = structlog.get_logger()

FENCE_FRACTION = 5 / 6
"""A worker without a heartbeat for this part of a lease stops its jobs itself, before somebody else may take them."""


class Lease:
    """One lease in this process's hands, and the task that works under it."""

    def __init__(self, token: UUID, *, held_from: float) -> None:
        self.token = token
        self.confirmed_at = held_from
        self.is_lost = False
        self.is_cancel_requested = False
        self.progress: Mapping[str, Any] | None = None
        self._task: asyncio.Task[Any] | None = None

    def guard(self, task: "asyncio.Task[Any]") -> None:
        """Make `task` the one that ends when the lease is lost or its job's cancel is asked for."""
        self._task = task
        if self.is_lost or self.is_cancel_requested:
            task.cancel()

    def report(self, progress: Mapping[str, Any]) -> None:
        """How far the job is; written with the next heartbeat."""
        self.progress = progress

    def lose(self) -> None:
        """The lease is somebody else's, or about to be: stop."""
        self.is_lost = True
        self._stop()

    def request_cancel(self) -> None:
        """The job's cancel was asked for: stop."""
        self.is_cancel_requested = True
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Leases:
    """All leases of a worker process. `owner` is the worker's id, `duration` the length of a lease."""

    def __init__(self, database: Database, *, owner: str, duration: timedelta) -> None:
        self._database = database
        self.owner = owner
        self.duration = duration
        self._held: dict[UUID, Lease] = {}

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def held(self, token: UUID) -> Iterator[Lease]:
        """Keep the lease alive while the block runs."""
        lease = Lease(token, held_from=asyncio.get_running_loop().time())
        self._held[token] = lease
        try:
            yield lease
        finally:
            del self._held[token]

    async def run(self) -> None:
        """Beat until cancelled, three times in a lease's length."""
        interval = self.duration.total_seconds() / 3
        while True:
            await asyncio.sleep(interval)
            try:
                async with asyncio.timeout(interval):
                    await self.beat()
            except (StorageUnavailableError, TimeoutError) as error:
                _log.warning("heartbeat_failed", error=repr(error), leases=len(self._held))
            self.fence_silent()

    async def beat(self) -> None:
        """Extend all leases with one statement; stop the jobs whose lease is gone or whose cancel was asked for."""
        if not self._held:
            return
        beaten = dict(self._held)
        sent_at = asyncio.get_running_loop().time()
        async with self._database.transaction() as work:
            kept = await LeaseStore(work).extend(list(beaten), lease=self.duration)
        for token, lease in beaten.items():
            if token not in kept:
                # The lease may also be gone because its job just ended here; then nothing listens any more.
                lease.lose()
                continue
            lease.confirmed_at = sent_at
            if kept[token]:
                lease.request_cancel()

    def fence_silent(self) -> None:
        """Stop the jobs whose lease was not confirmed for so long that somebody else may soon take them."""
        limit = asyncio.get_running_loop().time() - self.duration.total_seconds() * FENCE_FRACTION
        for lease in self._held.values():
            if lease.confirmed_at < limit and not lease.is_lost:
                _log.warning("lease_given_up", lease_token=str(lease.token))
                lease.lose()

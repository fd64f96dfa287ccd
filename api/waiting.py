"""Who waits for a job's change: registered before they read, woken by events, bounded in number."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class WaitersFullError(Exception):
    """As many requests are held open as may be; this one is answered at once."""


class Waiting:
    """The process's waiters by job; one subscription wakes them all."""

    def __init__(self, *, max_waiters: int) -> None:
        self._max_waiters = max_waiters
        self._bells: dict[UUID, set[asyncio.Event]] = {}
        self._count = 0
        self._is_closed = False

    @property
    def count(self) -> int:
        """How many requests wait."""
        return self._count

    @contextmanager
    def register(self, job_id: UUID) -> Iterator[asyncio.Event]:
        """Be woken by the job's next changes. Read *after* registering, or a change in between is slept through.

        Raises:
            WaitersFullError: the bound is reached.
        """
        if self._is_closed or self._count >= self._max_waiters:
            raise WaitersFullError
        bell = asyncio.Event()
        self._bells.setdefault(job_id, set()).add(bell)
        self._count += 1
        try:
            yield bell
        finally:
            self._count -= 1
            bells = self._bells[job_id]
            bells.discard(bell)
            if not bells:
                del self._bells[job_id]

    def wake(self, job_id: UUID) -> None:
        """The job has changed."""
        for bell in self._bells.get(job_id, ()):
            bell.set()

    def wake_all(self) -> None:
        """Any job may have changed, or the process stops."""
        for bells in self._bells.values():
            for bell in bells:
                bell.set()

    @property
    def is_closed(self) -> bool:
        """Whether nobody may wait any more."""
        return self._is_closed

    def close(self) -> None:
        """Let everybody go and take nobody in any more."""
        self._is_closed = True
        self.wake_all()

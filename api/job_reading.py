"""Telling how a job stands: from the coherent cache, by the coalescing loader, or after a wait for its change."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from starlette.types import Receive

from api import problem_kinds
from api.answers import Answer, Headers
from api.job_cache import JobCache
from api.job_entry import JobEntry, StartDelay, entry_of, retry_after_seconds, soon
from api.loader import Loader
from api.preferences import is_match, parse_prefer
from api.problems import ProblemError, not_found
from api.waiting import WaitersFullError, Waiting
from shared.clock import Clock
from shared.domain.job.job_status import JobStatus, is_past_keeping
from shared.domain.job.leases import JobChange
from shared.storage.database import Database
from shared.storage.job.job_status_store import find_statuses

RECHECK_SECONDS = 5.0
"""How often a waiter reads by itself: an event can be lost with the process or the Redis that should have told it."""


@dataclass(frozen=True, slots=True)
class JobAsk:
    """How a job is asked for: the header lines as they came."""

    prefer: bytes | None = None
    if_none_match: bytes | None = None


class JobReading:
    """Answers how jobs stand; one per process."""

    def __init__(
        self,
        database: Database,
        waiting: Waiting,
        *,
        clock: Clock,
        start_delay: StartDelay = soon,
        keep_days: int = 0,
    ) -> None:
        self._database = database
        self._waiting = waiting
        self._clock = clock
        self._start_delay = start_delay
        self._keep_days = keep_days
        self._cache = JobCache()
        self._loader: Loader[UUID, JobStatus] = Loader(self._fetch, parallel=1)

    def hear(self, change: JobChange) -> None:
        """A job has changed: forget it, and wake who waits for it."""
        self._cache.drop(str(change.job_id))
        self._waiting.wake(change.job_id)

    def hear_reconnect(self) -> None:
        """Changes may have been missed: forget everything and wake everybody."""
        self._cache.clear()
        self._waiting.wake_all()

    def forget(self, job_id: UUID) -> None:
        """This process has just changed the job, and its client must see that at once."""
        self._cache.drop(str(job_id))

    async def find(self, job_id: str) -> JobEntry | None:
        """How the job stands, at most a second ago; None when there is no such job."""
        loop = asyncio.get_running_loop()
        entry = self._cache.get(job_id, at=loop.time())
        if entry is not None:
            return entry
        token = self._cache.begin_load(job_id)
        try:
            status = await self._loader.get(UUID(job_id))
            entry = None if status is None else entry_of(status)
        finally:
            self._cache.end_load(job_id, token, entry=entry, at=loop.time())
        return entry

    async def wait(
        self, job_id: str, until: Callable[[JobEntry], bool], *, seconds: float, receive: Receive
    ) -> JobEntry | None:
        """How the job stands once `until` holds, `seconds` are over or the client is gone; no connection is held.

        Raises:
            WaitersFullError: too many wait already.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with self._waiting.register(UUID(job_id)) as bell:
            gone = asyncio.create_task(_client_leaves(receive))
            gone.add_done_callback(lambda _: bell.set())
            try:
                while True:
                    bell.clear()
                    entry = await self.find(job_id)
                    left = deadline - loop.time()
                    if entry is None or until(entry) or left <= 0 or gone.done() or self._waiting.is_closed:
                        return entry
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(left, RECHECK_SECONDS)):
                            await bell.wait()
            finally:
                gone.cancel()

    async def answer(self, job_id: str, ask: JobAsk, *, receive: Receive) -> Answer:
        """Answer `GET /api/v1/jobs/{id}`; the id is a UUID in its canonical form.

        With `Prefer: wait=N` the answer comes when the job differs from the one in `If-None-Match`, or has ended.

        Raises:
            ProblemError: there is no such job, or none any more.
        """
        entry = await self.find(job_id)
        headers: Headers = []
        preferences = parse_prefer(ask.prefer)
        if entry is not None and preferences.wait_seconds is not None:
            with suppress(WaitersFullError):
                if not _is_awaited(entry, ask):
                    entry = await self.wait(
                        job_id, lambda e: _is_awaited(e, ask), seconds=preferences.wait_seconds, receive=receive
                    )
                headers = [(b"preference-applied", b"wait=%d" % preferences.wait_seconds)]
        if entry is None:
            raise self.missing(UUID(job_id))
        return self._write(entry, ask, headers)

    def retry_after_seconds(self, entry: JobEntry) -> int:
        """After how many seconds asking again is worth it."""
        return retry_after_seconds(entry, now=self._clock(), start_delay=self._start_delay)

    def missing(self, job_id: UUID) -> ProblemError:
        """Why there is no such job: made so long ago, by the time in its id, that it would have been removed."""
        if is_past_keeping(job_id, now=self._clock(), keep_days=self._keep_days):
            return ProblemError(problem_kinds.JOB_EXPIRED, f"Jobs are kept for {self._keep_days} days after their end.")
        return not_found("There is no job with this id.")

    def _write(self, entry: JobEntry, ask: JobAsk, headers: Headers) -> Answer:
        headers += [(b"etag", entry.etag), (b"vary", b"Prefer")]
        if entry.is_done:
            headers.append((b"cache-control", b"private, max-age=10"))
        else:
            headers.append((b"cache-control", b"private, no-cache"))
            headers.append((b"retry-after", b"%d" % self.retry_after_seconds(entry)))
        if ask.if_none_match is not None and is_match(ask.if_none_match, entry.etag):
            return Answer(304, headers)
        return Answer(200, [(b"content-type", b"application/json"), *headers], entry.body)

    async def _fetch(self, job_ids: Sequence[UUID]) -> dict[UUID, JobStatus]:
        async with self._database.reading() as reader:
            return await find_statuses(reader, job_ids)


def _is_awaited(entry: JobEntry, ask: JobAsk) -> bool:
    """Whether waiting is over: the job has ended, or is not the one the client has."""
    if entry.is_done:
        return True
    return ask.if_none_match is not None and not is_match(ask.if_none_match, entry.etag)


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

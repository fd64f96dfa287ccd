"""A coherent cache of how jobs stand: an entry lives a second at most, and no longer than to the job's next event."""

from api.job_entry import JobEntry

TTL_SECONDS = 1.0
"""How old an answer may get when an event was lost, for example while Redis is away."""
DONE_TTL_SECONDS = 30.0
"""The same for a job that is done, which seldom changes any more."""


class JobCache:
    """Entries by the job's id as text, bounded; the oldest goes first. Times are the event loop's, in seconds."""

    def __init__(self, *, max_entries: int = 10_000) -> None:
        self._max_entries = max_entries
        self._entries: dict[str, tuple[float, JobEntry]] = {}
        self._loads: dict[str, object] = {}

    def get(self, job_id: str, *, at: float) -> JobEntry | None:
        """The entry, unless it is too old."""
        held = self._entries.get(job_id)
        if held is None:
            return None
        if held[0] < at:
            del self._entries[job_id]
            return None
        return held[1]

    def begin_load(self, job_id: str) -> object:
        """Note that the job is about to be read; the token goes to `end_load`."""
        token = self._loads[job_id] = object()
        return token

    def end_load(self, job_id: str, token: object, *, entry: JobEntry | None, at: float) -> None:
        """Keep what was read, unless the job changed or was read anew meanwhile: then it may be old already."""
        if self._loads.get(job_id) is not token:
            return
        del self._loads[job_id]
        if entry is None:
            return
        # Taken out first, so that a renewed entry counts as the youngest.
        self._entries.pop(job_id, None)
        if len(self._entries) >= self._max_entries:
            del self._entries[next(iter(self._entries))]
        self._entries[job_id] = (at + (DONE_TTL_SECONDS if entry.is_done else TTL_SECONDS), entry)

    def drop(self, job_id: str) -> None:
        """Forget a job that has changed, and distrust what is being read of it."""
        self._entries.pop(job_id, None)
        self._loads.pop(job_id, None)

    def clear(self) -> None:
        """Forget everything, because events may have been missed."""
        self._entries.clear()
        self._loads.clear()

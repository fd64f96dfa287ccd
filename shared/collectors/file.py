"""The `file` collector: existence, size, age, growth, checksum and new lines of files on the worker's own machine."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.clock import Clock
from shared.collectors.deadline import Deadline
from shared.collectors.file_opening import FileFaultError, FoundFile, find_file, told_as_faults
from shared.collectors.file_reading import NewLines, compute_checksum, count_matches, take_mark
from shared.collectors.mount_threads import MountThreads, MountUnresponsiveError
from shared.domain.target.file_marks import FileMark, FileMarks, MarksUnavailableError
from shared.domain.target.observation import Blame, Fault, Observation
from shared.domain.target.patterns import compile_pattern
from shared.domain.target.targets import FileTarget

_WORK_SHARE = 0.9
"""Of the timeout, what reading may take; the rest is for a thread to come back before its mount is called dead."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one thread saw: the placeholders' values and the mark to keep."""

    values: dict[str, Any]
    mark: FileMark | None


class FileCollector:
    """Collects files below `roots`.

    `marks` remembers how far each file was read. `counts_from_start` counts the lines of a file never seen before too,
    for a single look from a terminal; a worker counts what is new from the first look on.
    """

    def __init__(
        self,
        roots: Sequence[str],
        marks: FileMarks,
        *,
        clock: Clock,
        threads: MountThreads | None = None,
        counts_from_start: bool = False,
    ) -> None:
        self._roots = tuple(roots)
        self._marks = marks
        self._clock = clock
        self._threads = threads or MountThreads()
        self._counts_from_start = counts_from_start

    async def collect(self, target: FileTarget) -> Observation:
        """Look at the file once; no call to the file system is made outside of its mount's threads."""
        started = time.perf_counter()
        try:
            mark = await self._find_mark(target)
            sight = await self._look(target, mark)
            if sight.mark is not None:
                await self._keep_mark(target, sight.mark)
        except FileFaultError as error:
            return Observation(_since(started), {}, {}, error.fault)
        except MountUnresponsiveError as error:
            return Observation(_since(started), {}, {}, Fault("mount_unresponsive", str(error), Blame.OURS))
        except MarksUnavailableError as error:
            return Observation(_since(started), {}, {}, Fault("marks_unavailable", str(error), Blame.OURS))
        if not sight.values["EXISTS"]:
            return Observation(_since(started), sight.values, {}, Fault("missing", f"there is no file {target.path}"))
        return Observation(_since(started), sight.values, _metrics(sight.values))

    async def close(self) -> None:
        """Nothing is kept open; threads that hang in the kernel are daemons and end with the process."""

    async def _find_mark(self, target: FileTarget) -> FileMark | None:
        """The last mark; where nothing that is asked needs it, a look goes on without."""
        try:
            return await self._marks.find(_key(target))
        except MarksUnavailableError:
            if _needs_mark(target):
                raise
            return None

    async def _keep_mark(self, target: FileTarget, mark: FileMark) -> None:
        try:
            await self._marks.keep(_key(target), mark)
        except MarksUnavailableError:
            if _needs_mark(target):
                raise

    async def _look(self, target: FileTarget, mark: FileMark | None) -> _Sight:
        seconds = target.timeout.total_seconds()
        deadline = Deadline(seconds * _WORK_SHARE)
        now = self._clock().timestamp()

        def look() -> _Sight:
            found = find_file(target.path, self._roots)
            if found is None:
                return _Sight({"EXISTS": False}, None)
            with found, told_as_faults():
                return self._read(found, target, mark=mark, now=now, deadline=deadline)

        return await self._threads.run(look, target.path, timeout_seconds=seconds)

    def _read(
        self, found: FoundFile, target: FileTarget, *, mark: FileMark | None, now: float, deadline: Deadline
    ) -> _Sight:
        """Everything that was asked of the file; runs in a thread of its mount."""
        status = found.status
        values: dict[str, Any] = {"EXISTS": True, "SIZE": status.st_size, "AGE": max(0.0, now - status.st_mtime)}
        # At the first look nothing is known to have grown, and a file must not be down for being new to us.
        values["GROWTH"] = status.st_size - mark.size if mark is not None else 0
        if target.checksum:
            values["CHECKSUM"] = compute_checksum(found, deadline)
        if target.pattern is None:
            return _Sight(values, take_mark(found, mark))
        lines = self._count(found, target.pattern, mark=mark, deadline=deadline)
        values["MATCHES"] = lines.matches
        return _Sight(values, lines.mark)

    def _count(self, found: FoundFile, pattern: str, *, mark: FileMark | None, deadline: Deadline) -> NewLines:
        if mark is None and self._counts_from_start:
            mark = FileMark(found.status.st_ino, 0, 0)
        return count_matches(found, compile_pattern(pattern), mark=mark, deadline=deadline)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _key(target: FileTarget) -> str:
    """What a mark is kept under: two patterns on one file are read on their own."""
    asked = f"{target.path}\0{target.pattern or ''}".encode(errors="surrogatepass")
    return hashlib.sha256(asked).hexdigest()


_METRICS = {"SIZE": "size_bytes", "AGE": "age_seconds", "GROWTH": "growth_bytes", "MATCHES": "matches"}


def _metrics(values: dict[str, Any]) -> dict[str, float]:
    return {metric: float(values[name]) for name, metric in _METRICS.items() if name in values}


def _needs_mark(target: FileTarget) -> bool:
    """Whether the target is judged by what changed since the last look."""
    conditions = (*target.conditions, *target.degraded_conditions)
    return target.pattern is not None or any("[GROWTH]" in text for text in conditions)

"""What the process is busy with: a profile of its event loop's thread, and the tasks that wait on it."""

import asyncio
import re
from collections.abc import Iterator
from enum import StrEnum
from types import FrameType
from typing import Any

FINEST_SECONDS = 0.0001
"""Between two samples; answering one request takes little longer than that."""
MOST_SAMPLES = 100_000
"""Some tens of megabytes; a longer profile is taken more coarsely."""
DEEPEST = 20
_FOREIGN_FONTS = re.compile(r"https://fonts\.googleapis\.com/[^\"']*")


class ProfileFormat(StrEnum):
    """How a profile is written."""

    TEXT = "text"
    HTML = "html"
    SPEEDSCOPE = "speedscope"


class ProfileRunningError(Exception):
    """A profile is being taken already."""


class Profiling:
    """Takes profiles, one at a time."""

    def __init__(self) -> None:
        self._is_running = False

    async def take(self, seconds: float, written: ProfileFormat) -> str:
        """Sample for so long and write what was found.

        Raises:
            ProfileRunningError: one is being taken already.
        """
        if self._is_running:
            raise ProfileRunningError
        self._is_running = True
        try:
            return await _profile(seconds, written)
        finally:
            self._is_running = False


async def _profile(seconds: float, written: ProfileFormat) -> str:
    from pyinstrument import Profiler  # noqa: PLC0415 - whoever never asks does not load it

    # Its async mode follows one task; what is asked here is what all of them do to the thread they share.
    profiler = Profiler(interval=max(FINEST_SECONDS, seconds / MOST_SAMPLES), async_mode="disabled")
    profiler.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        profiler.stop()
    return await asyncio.to_thread(_write, profiler, written)


def _write(profiler: Any, written: ProfileFormat) -> str:  # noqa: ANN401 - its module is not loaded here
    if written is ProfileFormat.TEXT:
        return str(profiler.output_text(unicode=True, color=False))
    if written is ProfileFormat.HTML:
        # A page that somebody opens tells no foreign host of it.
        return _FOREIGN_FONTS.sub("data:text/css,", profiler.output_html())
    from pyinstrument.renderers import SpeedscopeRenderer  # noqa: PLC0415

    return str(profiler.output(SpeedscopeRenderer()))


def list_tasks(*, at_most: int) -> list[dict[str, object]]:
    """The event loop's tasks by their names, each with the lines it waits at, the outermost first."""
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    return [
        {
            "name": task.get_name(),
            "coroutine": getattr(task.get_coro(), "__qualname__", "?"),
            "stack": [_place(frame) for frame in _frames(task.get_coro())],
        }
        for task in tasks[:at_most]
    ]


def _frames(awaited: Any) -> Iterator[FrameType]:  # noqa: ANN401 - coroutines, generators and what they await
    """The frames of a coroutine and of what it awaits; a task itself knows its outermost only."""
    for _ in range(DEEPEST):
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _place(frame: FrameType) -> str:
    file = "/".join(frame.f_code.co_filename.split("/")[-2:])
    return f"{file}:{frame.f_lineno} {frame.f_code.co_qualname}"

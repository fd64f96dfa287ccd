"""Runs what may block for ever on a dead mount in a few threads per mount, and waits for them no longer than told."""

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

THREADS_PER_MOUNT = 4
"""A dead NFS or FUSE mount holds at most so many threads; those of other mounts stay free."""


KEPT_SECONDS = 5.0
"""How long the table of mounts is used again."""

_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes spaces and the like in its table."""


class MountUnresponsiveError(Exception):
    """A call to the file system did not come back in time."""


class MountThreads:
    """Threads by mount point.

    A thread that hangs in the kernel can be neither cancelled nor joined: it is a daemon, keeps its place until it
    comes back, and whoever waited is told at the deadline.
    """

    def __init__(self, mount_of: Callable[[str], str] | None = None) -> None:
        self._mount_of = mount_of or MountTable().find
        self._places: dict[str, asyncio.Semaphore] = {}

    async def run(self, work: Callable[[], Result], path: str, *, timeout_seconds: float) -> Result:
        """Run `work`, which touches `path`, in a thread of that path's mount.

        Raises:
            MountUnresponsiveError: it did not come back within the timeout, or no thread of the mount did.
        """
        mount = self._mount_of(path)
        places = self._places.setdefault(mount, asyncio.Semaphore(THREADS_PER_MOUNT))
        try:
            async with asyncio.timeout(timeout_seconds):
                await places.acquire()
                return await self._start(work, places)
        except TimeoutError:
            raise MountUnresponsiveError(f"the file system at {mount} does not answer") from None

    def _start(self, work: Callable[[], Result], places: asyncio.Semaphore) -> "asyncio.Future[Result]":
        """Start a thread that gives its place back when it ends, whether or not anybody still waits."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def finish(result: Result | None, error: BaseException | None) -> None:
            places.release()
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            try:
                outcome: tuple[Result | None, BaseException | None] = (work(), None)
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for.
                outcome = (None, error)
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, *outcome)

        try:
            threading.Thread(target=run, name="file collector", daemon=True).start()
        except RuntimeError:
            places.release()
            raise
        return future


class MountTable:
    """The machine's mount points, read again every few seconds."""

    def __init__(self) -> None:
        self._read_at = -KEPT_SECONDS
        self._mounts: list[str] = []

    def find(self, path: str) -> str:
        """The mount point that a path lies below, by its text alone: nothing of the path itself is touched."""
        now = time.monotonic()
        if now - self._read_at >= KEPT_SECONDS:
            self._read_at, self._mounts = now, _list_mounts()
        wanted = os.path.normpath(path)
        below = [mount for mount in self._mounts if wanted == mount or wanted.startswith(mount.rstrip("/") + "/")]
        return max(below, key=len, default="/")


def _list_mounts() -> list[str]:
    """The mount points, from Linux's table; elsewhere all paths share the threads of `/`."""
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ["/"]
    return [_OCTAL.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in table.splitlines()]

"""Processes of the tests: which belong to a data directory, and waiting for what they do, within a bound."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WAIT_SECONDS = 30.0


def wait_for(condition: Callable[[], bool], *, what: str) -> None:
    """Wait until something outside this process has happened, which nothing signals to us."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {WAIT_SECONDS:.0f} s in vain: {what}")
        time.sleep(0.02)


def processes_of(data_dir: Path) -> dict[int, str]:
    """The live processes that name the directory in their arguments, environment or working directory."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
            place = str((entry / "cwd").readlink())
            mark = str(data_dir).encode()
            if arguments and (mark in arguments or mark in environment or place.startswith(str(data_dir))):
                found[int(entry.name)] = arguments.replace(b"\0", b" ").decode()
    return found

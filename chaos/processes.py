"""Tocsin's processes as victims: forked from one warm image, so that starting one costs milliseconds, not a second."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

JOIN_SECONDS = 60.0

_FORKS = multiprocessing.get_context("forkserver")
# Whatever is slow to import; the fork server has one thread and no event loop, so its forks are sound.
_FORKS.set_forkserver_preload(["api.main", "worker.main", "cli.main", "chaos.processes"])


class Victim:
    """A process of ours; `target` runs in it with `arguments`, which must be picklable, its output in a file."""

    def __init__(self, name: str, target: Callable[..., None], *arguments: Any, log: Path) -> None:  # noqa: ANN401 - the target's own
        self.name = name
        self.log = log
        self._process: BaseProcess = _FORKS.Process(target=_logged, args=(log, target, arguments), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is stopped by SIGSTOP."""
        return self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, *, within_seconds: float = JOIN_SECONDS) -> int:
        """Wait for its end: its exit code, or the negated number of the signal that killed it.

        Raises:
            TimeoutError: it still runs; the end of its log is told.
        """
        self._process.join(within_seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"{self.name} did not end within {within_seconds:.0f} s:\n{self.tail()}")
        return self._process.exitcode

    def end(self) -> None:
        """Kill it, whatever state it is in."""
        self.signal(signal.SIGKILL)
        self.wait()

    def tail(self) -> str:
        """The last lines it wrote."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


def _logged(log: Path, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C is for the parent, which ends its victims itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    target(*arguments)

"""Keeps the processes of `tocsin up` running: starts them, restarts those that die, stops them all."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

import structlog

from cli.embedded.errors import EmbeddedServerError
from cli.restarts import decide_restart

POLL_SECONDS = 0.2
KILL_SECONDS = 5.0

_log = structlog.get_logger()


class GaveUpError(RuntimeError):
    """A process dies again and again; the message says which."""


class Process(Protocol):
    """What can be kept running."""

    name: str

    def start(self) -> None:
        """Start it, or raise `EmbeddedServerError`."""
        ...

    def exit_code(self) -> int | None:
        """None while it runs."""
        ...


class TocsinProcess:
    """One `tocsin …` process; its standard input is a pipe from us, whose end tells it that we are gone."""

    def __init__(self, name: str, arguments: Sequence[str], *, environment: Mapping[str, str]) -> None:
        self.name = name
        self.arguments = arguments
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id once it was started."""
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Start it in a session of its own, so that a terminal's Ctrl-C reaches `up` only."""
        self.release()
        # The interpreter that runs us, this package and words of ours.
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "cli.main", *self.arguments, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            env=dict(self.environment),
            start_new_session=True,
        )

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll() if self.process else None

    def terminate(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End it now, and wait for that."""
        if self.process is not None:
            self.process.kill()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(KILL_SECONDS)

    def release(self) -> None:
        """Close our end of the pipe to one that has ended."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()


@dataclass
class Watch:
    """What is known of one process: when it started, how often it died at once, when it starts again."""

    process: Process
    started_at: float
    quick_deaths: int = 0
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Looks after processes that were started; all its times are of the monotonic clock."""

    processes: Sequence[Process]
    clock: Callable[[], float] = time.monotonic
    watches: list[Watch] = field(init=False)

    def __post_init__(self) -> None:
        """Take the processes as started now."""
        self.watches = [Watch(process, self.clock()) for process in self.processes]

    def run(self) -> NoReturn:
        """Look after them until a signal's handler raises; raises `GaveUpError` itself."""
        while True:
            self.look()
            time.sleep(POLL_SECONDS)

    def look(self) -> None:
        """Notice deaths, and start again what is due."""
        now = self.clock()
        for watch in self.watches:
            if watch.restart_at is not None:
                if watch.restart_at <= now:
                    self._restart(watch)
            elif (code := watch.process.exit_code()) is not None:
                self._note_death(watch, f"exit code {code}")

    def _restart(self, watch: Watch) -> None:
        watch.started_at, watch.restart_at = self.clock(), None
        try:
            watch.process.start()
        except EmbeddedServerError as error:
            self._note_death(watch, str(error))
            return
        _log.info("process_restarted", process=watch.process.name)

    def _note_death(self, watch: Watch, reason: str) -> None:
        now = self.clock()
        decision = decide_restart(now - watch.started_at, quick_deaths=watch.quick_deaths)
        watch.quick_deaths = decision.quick_deaths
        if decision.action == "give_up":
            raise GaveUpError(f"{watch.process.name} died {decision.quick_deaths} times in a row ({reason})")
        watch.restart_at = now + decision.delay_seconds
        _log.warning(
            "process_died", process=watch.process.name, reason=reason, restart_in_seconds=decision.delay_seconds
        )


def stop_all(processes: Sequence[TocsinProcess], *, within_seconds: float, is_hurried: Callable[[], bool]) -> None:
    """Ask all to end, wait for them together, and kill what is left in the end or once it is hurried."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + within_seconds
    while any(process.process and process.exit_code() is None for process in processes):
        if is_hurried() or time.monotonic() >= deadline:
            break
        time.sleep(POLL_SECONDS / 4)
    for process in processes:
        if process.process and process.exit_code() is None:
            _log.warning("process_killed", process=process.name)
            process.kill()
        process.release()

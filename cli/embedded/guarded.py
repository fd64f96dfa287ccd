"""The parent's side of a guard: start it, learn the server's process id, stop both."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.embedded.errors import EmbeddedServerError

LOG_BYTES = 5_000_000
"""A server's log is moved aside at this size; one older file is kept."""

StopSteps = tuple[tuple[str, float], ...]
"""Signals in the order they are sent, each with the seconds it is given before the next; SIGKILL follows the last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a guard runs; `uid` and `gid` are None to stay the user one is. `stop` as in `StopSteps`."""

    argv: Sequence[str]
    cwd: str
    env: dict[str, str]
    log: str
    stop: StopSteps
    uid: int | None = None
    gid: int | None = None
    log_bytes: int = LOG_BYTES


@dataclass(frozen=True, slots=True)
class GuardedProcess:
    """A running guard and the process id of its server."""

    guard: "subprocess.Popen[bytes]"
    server_pid: int
    stop_seconds: float

    def exit_code(self) -> int | None:
        """None while the server runs."""
        return self.guard.poll()

    def stop(self) -> None:
        """Let go of the guard, which stops the server, and wait for both; a guard that takes too long is killed."""
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.guard.wait(self.stop_seconds)
            return
        self.guard.kill()
        self.guard.wait(5)


def start_guarded(plan: Plan) -> GuardedProcess:
    """Start a server under a guard in a session of its own, so that a terminal's Ctrl-C reaches the parent only."""
    # The interpreter that runs us and a file of ours.
    guard = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), json.dumps(asdict(plan))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert guard.stdout is not None  # noqa: S101 - asked for above
    line = guard.stdout.readline()
    guard.stdout.close()
    answer: dict[str, Any] = json.loads(line) if line else {"error": "its guard ended at once"}
    if "error" in answer:
        guard.communicate(timeout=5)
        raise EmbeddedServerError(f"{plan.argv[0]} could not be started: {answer['error']}")
    return GuardedProcess(guard, answer["pid"], sum(seconds for _, seconds in plan.stop) + 10)


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log, for an error message."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    return "(no log)"

"""Runs one server and ends it when its own standard input closes, so that nothing outlives the parent.

A program of its own, started by path, and of the standard library only: it costs a few megabytes and 15 ms. The kernel
closes the pipe when the parent dies in whatever way, also of SIGKILL, on every system. On Linux the server gets a
parent-death signal as well, so that killing the guard does not leave it behind either; the guard has one thread, which
is what that signal is bound to.

The first argument is JSON, `cli.embedded.guarded.Plan`. One line of JSON on standard output answers `{"pid": …}` or
`{"error": …}`. What the server writes goes to the log, which is moved to `.1` when it is full.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
READ_BYTES = 4096


class BoundedLog:
    """A file that is moved aside once it is full, so that at most twice `limit` bytes are kept."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append; a full disk must not stop the server, so a failure is dropped."""
        with suppress(OSError):
            if self.file.tell() + len(data) > self.limit:
                self.file.close()
                self.path.replace(self.path.with_suffix(".log.1"))
                self.file = self.path.open("ab", buffering=0)
            self.file.write(data)


def die_with_parent(death_signal: int) -> Callable[[], None] | None:
    """What the child runs before it becomes the server; None where there is no parent-death signal."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    guard_pid = os.getpid()

    def set_death_signal() -> None:
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        # The guard may have died before the line above.
        if os.getppid() != guard_pid:
            os._exit(1)

    return set_death_signal


def start(plan: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start the server as its user; the death signal is set after the user is changed, which would clear it."""
    user: dict[str, Any] = {}
    if plan["uid"] is not None:
        user = {"user": plan["uid"], "group": plan["gid"], "extra_groups": []}
    return subprocess.Popen(  # noqa: S603 - the plan is our parent's
        plan["argv"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=plan["cwd"],
        env=plan["env"],
        umask=0o077,
        preexec_fn=die_with_parent(signal.Signals[plan["stop"][0][0]]),  # noqa: PLW1509 - one thread, see above
        **user,
    )


class Guard:
    """The loop: log what the server writes, and once the parent is gone send signals of growing severity."""

    def __init__(self, child: "subprocess.Popen[bytes]", log: BoundedLog, stop: list[tuple[str, float]]) -> None:
        self.child = child
        self.log = log
        self.steps = iter(stop)
        self.is_stopping = False
        self.deadline: float | None = None
        self.selector = selectors.DefaultSelector()
        self.wakes, wake_writer = socket.socketpair()
        wake_writer.setblocking(False)
        self.wakes.setblocking(False)
        signal.set_wakeup_fd(wake_writer.detach())

    def run(self) -> int:
        """Watch until the server has ended; its exit code, or 0 when it was asked to stop."""
        assert self.child.stdout is not None  # noqa: S101 - asked for in `start`
        self.selector.register(0, selectors.EVENT_READ, self.on_lifeline)
        self.selector.register(self.child.stdout, selectors.EVENT_READ, self.on_output)
        self.selector.register(self.wakes, selectors.EVENT_READ, self.on_signal)
        while self.child.poll() is None:
            for key, _events in self.selector.select(self.remaining_seconds()):
                key.data()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.next_step()
        self.drain()
        return 0 if self.is_stopping else abs(self.child.returncode)

    def remaining_seconds(self) -> float | None:
        """Until the next signal is due; None while nothing is being stopped."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def on_lifeline(self) -> None:
        """The parent let go, or died."""
        if not os.read(0, READ_BYTES):
            self.selector.unregister(0)
            self.begin_stop()

    def on_output(self) -> None:
        """The server wrote, or closed its output."""
        assert self.child.stdout is not None  # noqa: S101 - asked for in `start`
        data = os.read(self.child.stdout.fileno(), READ_BYTES)
        if data:
            self.log.write(data)
        else:
            self.selector.unregister(self.child.stdout)

    def on_signal(self) -> None:
        """A signal came; SIGCHLD has done its work by waking the loop."""
        if {signal.SIGINT, signal.SIGTERM} & set(self.wakes.recv(READ_BYTES)):
            self.begin_stop()

    def begin_stop(self) -> None:
        """Send the first signal, once."""
        if not self.is_stopping:
            self.is_stopping = True
            self.next_step()

    def next_step(self) -> None:
        """Send the next signal and give it its time."""
        name, seconds = next(self.steps, ("SIGKILL", 5.0))
        self.deadline = time.monotonic() + seconds
        self.child.send_signal(signal.Signals[name])

    def drain(self) -> None:
        """Log the last words."""
        assert self.child.stdout is not None  # noqa: S101 - asked for in `start`
        os.set_blocking(self.child.stdout.fileno(), False)
        with suppress(BlockingIOError):
            while data := os.read(self.child.stdout.fileno(), READ_BYTES):
                self.log.write(data)


def main() -> int:
    """Start the server, say its process id, and watch."""
    plan = json.loads(sys.argv[1])
    # Handlers that do nothing: the wake-up descriptor tells the loop.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        log = BoundedLog(Path(plan["log"]), plan["log_bytes"])
        child = start(plan)
    except (OSError, subprocess.SubprocessError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    print(json.dumps({"pid": child.pid}), flush=True)
    return Guard(child, log, plan["stop"]).run()


if __name__ == "__main__":
    sys.exit(main())

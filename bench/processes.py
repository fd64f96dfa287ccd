"""Processes under measurement: started, found ready, their CPU time read from /proc, ended by their id."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
STOP_SECONDS = 15.0
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Measured:
    """A running process; `cpu_seconds` holds all its threads and the children it has waited for."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.popen.pid

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far, with that of the children that live, as gunicorn's."""
        return tree_cpu_seconds(self.pid)

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until `is_ready` says so; a process that ended instead is told with the end of its log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise RuntimeError(f"{self.name} ended while starting:\n{self.tail()}")
            if is_ready():
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} was not ready after {START_SECONDS:.0f} s:\n{self.tail()}")

    def wait_for_log(self, text: str) -> None:
        """Wait until the process has logged `text`."""
        self.wait_until(lambda: text.encode() in self.log.read_bytes())

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended by itself, which it has to do well."""
        if self.popen.wait(seconds):
            raise RuntimeError(f"{self.name} failed:\n{self.tail()}")

    @property
    def pids(self) -> list[int]:
        """The process and its descendants."""
        return _tree_of(self.pid)

    def tail(self) -> str:
        """The last lines of the process's log."""
        return self.log.read_text(errors="replace")[-3000:]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process and its children for the block, so that a queue can be filled while it is warm and idle."""
        self._signal_tree(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_tree(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process and its children at once, as a machine that dies would."""
        self._signal_tree(signal.SIGKILL)
        self.popen.wait(STOP_SECONDS)

    def _signal_tree(self, signum: signal.Signals) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)

    def stop(self) -> None:
        """End the process and wait for it."""
        self.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(STOP_SECONDS)
            return
        self.popen.kill()
        self.popen.wait(STOP_SECONDS)


@contextmanager
def measured(
    name: str, argv: Sequence[str], *, log_dir: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Measured]:
    """Run a process for the block, in the checkout's root, its output in a file."""
    log = log_dir / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            argv, cwd=ROOT, env=_clean_environment(environment), stdout=output, stderr=subprocess.STDOUT
        )
    process = Measured(name, popen, log)
    try:
        yield process
    finally:
        process.stop()


def _clean_environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def tree_cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, its living descendants, and all those that were waited for."""
    return sum(own_cpu_seconds(member) for member in _tree_of(pid))


def _tree_of(pid: int) -> list[int]:
    return [pid, *(member for child in _children_of(pid) for member in _tree_of(child))]


def own_cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of the children it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # utime, stime, cutime, cstime (proc_pid_stat(5)): what ended children used, as PostgreSQL's backends, stays.
    return sum(int(field) for field in fields[11:15]) * TICK_SECONDS


def _children_of(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text().split()]
    return children

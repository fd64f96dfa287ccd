"""Finds and ends a server that an earlier run left alive, before another one is started on its data."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from cli.embedded.errors import EmbeddedServerError

POLL_SECONDS = 0.01


def recorded_pid(pid_file: Path) -> int | None:
    """The process id in the first line of the file, if there is one."""
    with suppress(OSError, ValueError, IndexError):
        return int(pid_file.read_text().splitlines()[0])
    return None


def is_alive(pid: int, *, directory: Path, socket_path: Path) -> bool:
    """Whether the process is a server of this data directory.

    A process id alone proves nothing after a reboot or in a new container. Both servers work in their data directory,
    which Linux shows; elsewhere a server is one that answers on the socket.
    """
    if Path("/proc/self/cwd").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").readlink() == directory.resolve()
        return False
    return is_listening(socket_path)


def is_listening(socket_path: Path) -> bool:
    """Whether anything accepts connections on the Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, suppress(OSError):
        client.settimeout(1)
        client.connect(str(socket_path))
        return True
    return False


def end_leftover(pid_file: Path, *, directory: Path, socket_path: Path, stop: tuple[tuple[str, float], ...]) -> None:
    """End what still runs on the directory, gently first, then remove the file that recorded it.

    Stopping and starting anew costs milliseconds and puts the server under our guard; attaching to it would not.
    """
    pid = recorded_pid(pid_file)
    for name, seconds in (*stop, ("SIGKILL", 5.0)):
        if pid is None or not is_alive(pid, directory=directory, socket_path=socket_path):
            pid_file.unlink(missing_ok=True)
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.Signals[name])
        deadline = time.monotonic() + seconds
        while is_alive(pid, directory=directory, socket_path=socket_path) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    raise EmbeddedServerError(f"Process {pid} still runs on {directory} and does not end; end it by hand.")

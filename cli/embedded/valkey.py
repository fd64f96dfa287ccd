"""An embedded Valkey: its settings, how it is started, recognised as ready and stopped."""

import socket
import time
from pathlib import Path
from urllib.parse import quote

from cli.embedded.errors import EmbeddedServerError
from cli.embedded.guarded import GuardedProcess, Plan, StopSteps, last_lines, start_guarded
from cli.embedded.layout import Layout, socket_directory
from cli.embedded.leftovers import POLL_SECONDS, end_leftover
from cli.embedded.programs import valkey_program, within_reach

START_SECONDS = 120.0
"""It answers only when the whole append-only file is loaded."""

STOP_STEPS: StopSteps = (("SIGTERM", 20.0),)
"""SIGTERM writes the append-only file to the disk and ends."""


SOCKET_NAME = "valkey.sock"


def url_of(socket_path: Path) -> str:
    """The socket's address as redis-py writes one."""
    return f"unix://{quote(str(socket_path))}?db=0"


def find_redis_url(data_dir: Path) -> str | None:
    """The address of the embedded Valkey that a running `tocsin up` has in the data directory, if there is one."""
    socket_path = socket_directory(data_dir) / SOCKET_NAME
    return url_of(socket_path) if answers_ping(socket_path) else None


class ValkeyServer:
    """One Valkey on a private Unix socket. Not durable means: nothing is written to the disk, for tests."""

    name = "Valkey"

    def __init__(self, layout: Layout, *, is_durable: bool = True) -> None:
        self.layout = layout
        self.is_durable = is_durable
        self.socket_path = layout.sockets / SOCKET_NAME
        self.log = layout.logs / "valkey.log"
        self.process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        """Its address as redis-py writes one."""
        return url_of(self.socket_path)

    def start(self) -> None:
        """End what an earlier run left on the data, start, and wait until it answers."""
        data = self.layout.private("valkey")
        program = within_reach(valkey_program(), self.layout.account, shelf=self.layout.programs)
        end_leftover(data / "valkey.pid", directory=data, socket_path=self.socket_path, stop=STOP_STEPS)
        self.stop()
        self.process = start_guarded(self._plan(program, data))
        self._wait_until_ready(self.process)

    @property
    def pid(self) -> int | None:
        """Its process id while it is started."""
        return self.process.server_pid if self.process else None

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.exit_code() if self.process else None

    def stop(self) -> None:
        """Stop it once the append-only file is on the disk."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def _plan(self, program: Path, data: Path) -> Plan:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(data),
            "pidfile": str(data / "valkey.pid"),
            "daemonize": "no",
            "logfile": "",
            "always-show-logo": "no",
            "appendonly": "yes" if self.is_durable else "no",
            "appendfsync": "everysec",
            "save": "",
            # A queue that forgets entries under pressure would lose jobs' bells silently.
            "maxmemory-policy": "noeviction",
        }
        return Plan(
            argv=[str(program), *(part for key, value in settings.items() for part in (f"--{key}", value))],
            cwd=str(data),
            env={"LC_ALL": "C", "TZ": "UTC"},
            log=str(self.log),
            stop=STOP_STEPS,
            uid=self.layout.account.uid,
            gid=self.layout.account.gid,
        )

    def _wait_until_ready(self, process: GuardedProcess) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.exit_code() is not None:
                raise EmbeddedServerError(f"Valkey ended while starting. {self.log} says:\n{last_lines(self.log)}")
            if answers_ping(self.socket_path):
                return
            time.sleep(POLL_SECONDS)
        self.stop()
        raise EmbeddedServerError(f"Valkey was not ready after {START_SECONDS:.0f} s; see {self.log}.")


def answers_ping(socket_path: Path) -> bool:
    """Whether a server answers on the socket and has its data loaded; `-LOADING` is a no."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(str(socket_path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
    except OSError:
        return False

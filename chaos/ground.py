"""Servers of one's own to do harm to: an embedded PostgreSQL and Valkey, durable, struck by weather."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

import psutil
from redis import Redis

from cli.embedded import EmbeddedServers, ServerUrls
from cli.embedded.postgres import PostgresServer
from cli.embedded.valkey import ValkeyServer
from cli.migrate import migrate


class Weather(StrEnum):
    """What may happen to the servers below a Tocsin."""

    NOTHING = "nothing"
    FLUSHALL = "flushall"
    """Valkey forgets everything and goes on."""
    VALKEY_RESTART = "valkey_restart"
    """Valkey is killed with -9 and started again on what its append-only file holds."""
    POSTGRES_RESTART = "postgres_restart"
    """PostgreSQL and all its backends are killed with -9; it is started again and recovers."""


class Ground:
    """Both servers in a private directory. Striking takes seconds and blocks: call it from a thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._embedded = EmbeddedServers(directory / "data")
        self._urls: ServerUrls | None = None

    @property
    def urls(self) -> ServerUrls:
        """Where the servers are; the same after every restart."""
        assert self._urls is not None
        return self._urls

    def start(self) -> None:
        """Start both and make the tables."""
        self._urls = self._embedded.start()
        migrate(self._urls.database_url)

    def stop(self) -> None:
        """Stop both."""
        self._embedded.stop()

    def strike(self, weather: Weather) -> None:
        """Let it happen; the servers are up again when this returns."""
        match weather:
            case Weather.NOTHING:
                pass
            case Weather.FLUSHALL:
                with Redis.from_url(self.urls.redis_url, socket_timeout=10) as redis:
                    redis.flushall()
            case Weather.VALKEY_RESTART:
                self._restart(ValkeyServer)
            case Weather.POSTGRES_RESTART:
                self._restart(PostgresServer)

    def stall_postgres(self, seconds: float) -> None:
        """Let PostgreSQL with all its backends stand still for a while; whoever waits for it hears nothing at all."""
        server = self._server(PostgresServer)
        assert server.pid is not None
        postmaster = psutil.Process(server.pid)
        # The postmaster first: it starts no new backend then.
        processes = [postmaster]
        postmaster.suspend()
        try:
            processes += postmaster.children(recursive=True)
            for backend in processes[1:]:
                with suppress(psutil.NoSuchProcess):
                    backend.suspend()
            time.sleep(seconds)
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _restart(self, kind: type[PostgresServer] | type[ValkeyServer]) -> None:
        server = self._server(kind)
        assert server.pid is not None
        _kill_tree(server.pid)
        server.start()

    def _server(self, kind: type[PostgresServer] | type[ValkeyServer]) -> PostgresServer | ValkeyServer:
        return next(server for server in self._embedded.running if isinstance(server, kind))


def _kill_tree(pid: int) -> None:
    """Kill -9 a server, then what it started: the parent first, so that it cannot tidy up after its children."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        children = parent.children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=10)


@contextmanager
def ground() -> Iterator[Ground]:
    """Run servers of one's own for the block; nothing of them is left after it."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-chaos-"))
    # As root the servers run as another user, who has to get in.
    directory.chmod(0o711)
    made = Ground(directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)

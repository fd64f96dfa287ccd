"""The servers every benchmark runs on: Tocsin's own embedded PostgreSQL and Valkey, durable."""

import asyncio
import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr
from sqlalchemy import make_url

from bench.processes import tree_cpu_seconds
from cli.embedded import EmbeddedServers
from cli.migrate import migrate
from shared.settings import Settings
from shared.wiring import ProcessContext

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Servers:
    """Where the servers are, and what they have cost."""

    database_url: str
    redis_url: str
    pids: tuple[int, ...]
    directory: Path

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of PostgreSQL with its backends and of Valkey."""
        return sum(tree_cpu_seconds(pid) for pid in self.pids)

    @property
    def redis_socket(self) -> str:
        """The path of Valkey's socket."""
        return urlsplit(self.redis_url).path

    @property
    def settings(self) -> Settings:
        """Settings for a process context in the benchmark's own process."""
        urls = {"database_url": SecretStr(self.database_url), "redis_url": SecretStr(self.redis_url)}
        # What plants a million rows is slow, and nobody's news.
        return Settings(**urls, slow_query_ms=0)

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment of Tocsin's own processes."""
        return {"TOCSIN_DATABASE_URL": self.database_url, "TOCSIN_REDIS_URL": self.redis_url, **extra}

    def peer_environment(self, **extra: str) -> dict[str, str]:
        """The environment of the peers: a database of their own beside Tocsin's, the same Valkey."""
        peer_url = make_url(self.database_url).set(database="peer").render_as_string(hide_password=False)
        return {
            "BENCH_PEER_URL": peer_url,
            "BENCH_TOCSIN_URL": self.database_url,
            "BENCH_REDIS_SOCKET": self.redis_socket,
            **extra,
        }


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both servers in a new directory, as durable as `tocsin up` has them, and migrate."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    # As root the servers run as another user, who has to get in.
    directory.chmod(0o711)
    embedded = EmbeddedServers(directory / "data")
    try:
        urls = embedded.start()
        migrate(urls.database_url)
        pids = tuple(server.process.server_pid for server in embedded.running if server.process is not None)
        asyncio.run(execute(urls.database_url, "create database peer"))
        yield Servers(urls.database_url, urls.redis_url, pids, directory)
    finally:
        embedded.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def execute(database_url: str, statement: str) -> None:
    """Run one statement outside of any transaction."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        await connection.execute(statement, timeout=120)
    finally:
        await connection.close()


def in_context(servers: Servers, act: Callable[[ProcessContext], Awaitable[ResultT]]) -> ResultT:
    """Do something with Tocsin's services in this process."""

    async def run() -> ResultT:
        context = ProcessContext.open(servers.settings, name="bench")
        try:
            return await act(context)
        finally:
            await context.close()

    return asyncio.run(run())


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether a GET is answered with 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False

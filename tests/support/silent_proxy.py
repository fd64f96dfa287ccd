"""A port before a server whose connections can fall silent, as behind a firewall that forgot them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url


class SilentProxy:
    """Passes bytes between a port of loopback and a Unix socket, until told to keep them."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def silence(self) -> None:
        """Let every connection there is fall silent for ever; those made from now on pass."""
        self._passing.clear()
        self._passing = asyncio.Event()
        self._passing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection's bytes both ways."""
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        passing = self._passing
        ways = [(reader, server_writer), (server_reader, writer)]
        self._tasks |= {asyncio.create_task(self._pass_on(*way, passing)) for way in ways}

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Event
    ) -> None:
        try:
            while data := await reader.read(65536):
                await passing.wait()
                writer.write(data)
                await writer.drain()
            # A close behind a silent connection is not heard of either.
            await passing.wait()
        except OSError:
            pass  # The other side was closed meanwhile; this way ends as well.
        finally:
            writer.close()


@asynccontextmanager
async def silent_proxy(socket_path: str) -> AsyncIterator[SilentProxy]:
    """A proxy before the socket."""
    proxy = SilentProxy(socket_path)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
    await proxy.close()


def redis_url_by(proxy: SilentProxy, redis_url: str) -> str:
    """The address of the same Valkey through the proxy."""
    return f"redis://127.0.0.1:{proxy.port}/{parse_qs(urlsplit(redis_url).query).get('db', ['0'])[0]}"


def redis_socket_of(redis_url: str) -> str:
    """The socket in `unix:///directory/socket?db=0`."""
    return urlsplit(redis_url).path


def database_url_by(proxy: SilentProxy, database_url: str) -> str:
    """The address of the same database through the proxy."""
    url = make_url(database_url)
    return url.set(host="127.0.0.1", port=proxy.port, query={}).render_as_string(hide_password=False)


def database_socket_of(database_url: str) -> str:
    """The socket in `postgresql://user:password@/name?host=/directory`."""
    return f"{make_url(database_url).query['host']}/.s.PGSQL.5432"

"""The two embedded servers of a data directory, as one thing to start and stop."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cli.embedded.data_lock import DataLock
from cli.embedded.errors import EmbeddedServerError
from cli.embedded.layout import Layout, prepare_layout
from cli.embedded.postgres import PostgresServer
from cli.embedded.valkey import ValkeyServer


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where the servers are: `postgresql://tocsin:…@/tocsin?host=/dir` and `unix:///dir/valkey.sock?db=0`."""

    database_url: str
    redis_url: str


class EmbeddedServers:
    """PostgreSQL and Valkey on private Unix sockets, data and logs below `data_dir`.

    A server whose URL is given is not started; the URL is passed through. Not durable means: for tests, faster.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        database_url: str | None = None,
        redis_url: str | None = None,
        is_durable: bool = True,
    ) -> None:
        self.data_dir = data_dir
        self.database_url = database_url
        self.redis_url = redis_url
        self.is_durable = is_durable
        self.running: list[PostgresServer | ValkeyServer] = []
        self._lock: DataLock | None = None
        self._layout: Layout | None = None

    def start(self) -> ServerUrls:
        """Start what is missing. Raises `EmbeddedServerError`, whose message says what to do; nothing runs then."""
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, in reverse order, and let go of the data directory."""
        while self.running:
            self.running.pop().stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = self._layout = None

    @property
    def is_complete(self) -> bool:
        """Whether both servers are ours, none was given."""
        return self.database_url is None and self.redis_url is None

    def claim(self) -> None:
        """Take the data directory for this process, if it is needed at all. `start` does it, too.

        Raises `DataDirInUseError`, which says who has it.
        """
        if self._layout is None and (self.database_url is None or self.redis_url is None):
            layout = prepare_layout(self.data_dir)
            lock = DataLock(layout.data_dir)
            lock.acquire()
            self._lock, self._layout = lock, layout

    def _start(self) -> ServerUrls:
        self.claim()
        database_url, redis_url = self.database_url, self.redis_url
        if database_url is None:
            database_url = self._run(PostgresServer(self._claimed, is_durable=self.is_durable))
        if redis_url is None:
            redis_url = self._run(ValkeyServer(self._claimed, is_durable=self.is_durable))
        return ServerUrls(database_url, redis_url)

    @property
    def _claimed(self) -> Layout:
        if self._layout is None:
            raise RuntimeError("claim the data directory first")
        return self._layout

    def _run(self, server: PostgresServer | ValkeyServer) -> str:
        self.running.append(server)
        server.start()
        return server.url

    def __enter__(self) -> ServerUrls:
        """Start, for a `with` block."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


def urls_of(data_dir: Path) -> ServerUrls:
    """Where the servers of `data_dir` are while they run; nothing is started.

    Raises:
        EmbeddedServerError: there is no such data directory.
    """
    if not data_dir.is_dir():
        raise EmbeddedServerError(f"There is no data directory {data_dir} yet; start Tocsin by `tocsin up`.")
    layout = prepare_layout(data_dir)
    return ServerUrls(PostgresServer(layout).url, ValkeyServer(layout).url)

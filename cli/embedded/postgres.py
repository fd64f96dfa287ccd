"""An embedded PostgreSQL: its settings, how it is started, recognised as ready and stopped."""

import time
from pathlib import Path
from urllib.parse import quote

from cli.embedded.cluster import ENVIRONMENT, OWNER, ensure_cluster, read_password
from cli.embedded.errors import EmbeddedServerError
from cli.embedded.guarded import GuardedProcess, Plan, StopSteps, last_lines, start_guarded
from cli.embedded.layout import Layout, socket_directory
from cli.embedded.leftovers import POLL_SECONDS, end_leftover, is_listening, recorded_pid
from cli.embedded.programs import postgres_tree, within_reach

SOCKET_NAME = ".s.PGSQL.5432"

START_SECONDS = 120.0
"""Recovery after a crash replays up to `max_wal_size`."""

STOP_STEPS: StopSteps = (("SIGINT", 30.0), ("SIGQUIT", 5.0))
"""SIGINT is the fast stop: clients are cut off, a checkpoint is written. SIGQUIT leaves recovery to the next start."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_compression": "pglz",
    "random_page_cost": "1.1",
    # Compiling costs more than it saves on queries as small as ours.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_checkpoints": "off",
    # The guard keeps the log, within a bound.
    "logging_collector": "off",
    "log_destination": "stderr",
    # A transaction that its process forgot must not hold up vacuum for ever.
    "idle_in_transaction_session_timeout": "60s",
    "cluster_name": OWNER,
}

STATUS_LINE = 7
"""The line of postmaster.pid, counted from zero, that says `ready`; `pg_ctl` reads the same."""


def url_of(data_dir: Path, sockets: Path) -> str:
    """The address of the data directory's database behind the socket in the other directory."""
    return f"postgresql://{OWNER}:{read_password(data_dir)}@/{OWNER}?host={quote(str(sockets))}"


def find_database_url(data_dir: Path) -> str | None:
    """The address of the embedded database that a running `tocsin up` has in the data directory, if there is one."""
    sockets = socket_directory(data_dir)
    return url_of(data_dir, sockets) if is_listening(sockets / SOCKET_NAME) else None


class PostgresServer:
    """One PostgreSQL on a private Unix socket. Not durable means: no fsync, for tests."""

    name = "PostgreSQL"

    def __init__(self, layout: Layout, *, is_durable: bool = True) -> None:
        self.layout = layout
        self.is_durable = is_durable
        self.data = layout.data_dir / "postgres"
        self.log = layout.logs / "postgres.log"
        self.process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        """Its address as SQLAlchemy and asyncpg write one."""
        return url_of(self.layout.data_dir, self.layout.sockets)

    def start(self) -> None:
        """Make the cluster when there is none, end what an earlier run left, start, and wait until it is ready."""
        programs = within_reach(postgres_tree(), self.layout.account, shelf=self.layout.programs) / "bin"
        ensure_cluster(self.layout, programs, is_durable=self.is_durable)
        socket_path = self.layout.sockets / SOCKET_NAME
        end_leftover(self.data / "postmaster.pid", directory=self.data, socket_path=socket_path, stop=STOP_STEPS)
        # A lock whose process id was given to another process by now would keep the server from starting.
        socket_path.with_name(socket_path.name + ".lock").unlink(missing_ok=True)
        self.stop()
        self.process = start_guarded(self._plan(programs))
        self._wait_until_ready(self.process)

    @property
    def pid(self) -> int | None:
        """Its process id while it is started."""
        return self.process.server_pid if self.process else None

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.exit_code() if self.process else None

    def stop(self) -> None:
        """Stop it with a checkpoint, so that the next start needs no recovery."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def _plan(self, programs: Path) -> Plan:
        settings = SETTINGS | {"unix_socket_directories": str(self.layout.sockets)}
        if not self.is_durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return Plan(
            argv=[str(programs / "postgres"), "-D", str(self.data), *options],
            cwd=str(self.data),
            env=ENVIRONMENT,
            log=str(self.log),
            stop=STOP_STEPS,
            uid=self.layout.account.uid,
            gid=self.layout.account.gid,
        )

    def _wait_until_ready(self, process: GuardedProcess) -> None:
        deadline = time.monotonic() + START_SECONDS
        pid_file = self.data / "postmaster.pid"
        while time.monotonic() < deadline:
            if process.exit_code() is not None:
                raise EmbeddedServerError(f"PostgreSQL ended while starting. {self.log} says:\n{last_lines(self.log)}")
            if recorded_pid(pid_file) == process.server_pid:
                lines = pid_file.read_text().splitlines()
                if len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready":
                    return
            time.sleep(POLL_SECONDS)
        self.stop()
        raise EmbeddedServerError(f"PostgreSQL was not ready after {START_SECONDS:.0f} s; see {self.log}.")

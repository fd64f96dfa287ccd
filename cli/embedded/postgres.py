"""An embedded PostgreSQL: its cluster made once, its settings, how it is started, recognised as ready and stopped."""

import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from cli.embedded.errors import EmbeddedServerError
from cli.embedded.guarded import GuardedProcess, Plan, StopSteps, last_lines, start_guarded
from cli.embedded.layout import Layout
from cli.embedded.leftovers import POLL_SECONDS, end_leftover, recorded_pid
from cli.embedded.programs import postgres_tree, within_reach

OWNER = "tocsin"
"""The superuser and the database of the cluster."""

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

UNICODE_SINCE_MAJOR = 17
"""From this version on PostgreSQL itself knows Unicode's letters, whatever locales the system has."""


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
        return f"postgresql://{OWNER}@/{OWNER}?host={quote(str(self.layout.sockets))}"

    def start(self) -> None:
        """Make the cluster when there is none, end what an earlier run left, start, and wait until it is ready."""
        programs = within_reach(postgres_tree(), self.layout.account, shelf=self.layout.programs) / "bin"
        major = self._major(programs)
        if self.data.exists():
            self._check_major(major)
        else:
            self._create_cluster(programs, major)
        socket_path = self.layout.sockets / ".s.PGSQL.5432"
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
            env={"LC_ALL": "C", "TZ": "UTC"},
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

    def _major(self, programs: Path) -> int:
        version = self._run([str(programs / "postgres"), "--version"])
        found = re.search(r"(\d+)", version)
        if found is None:
            raise EmbeddedServerError(f"{programs / 'postgres'} does not say its version: {version}")
        return int(found.group(1))

    def _check_major(self, major: int) -> None:
        data_major = (self.data / "PG_VERSION").read_text().strip()
        if data_major != str(major):
            raise EmbeddedServerError(
                f"The data in {self.data} was made by PostgreSQL {data_major}, this is PostgreSQL {major}. Install "
                f"Tocsin with the embedded PostgreSQL {data_major} and move the data with pg_dump, or set "
                "TOCSIN_DATA_DIR to a new directory."
            )

    def _create_cluster(self, programs: Path, major: int) -> None:
        """Make cluster and database beside their place and move them there whole, so that a half one never counts."""
        unfinished = self.layout.data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self.layout.private(unfinished.name)
        locale = ["--no-locale"]
        if major >= UNICODE_SINCE_MAJOR:
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        sync = [] if self.is_durable else ["--no-sync"]
        program = [str(programs / "initdb"), "-D", str(unfinished), "-U", OWNER, "--encoding=UTF8", *locale, *sync]
        self._run([*program, "--auth-local=trust", "--auth-host=reject", "--no-instructions"])
        single = [str(programs / "postgres"), "--single", "-D", str(unfinished), "-c", "log_checkpoints=off"]
        self._run([*single, "postgres"], stdin=f'create database "{OWNER}"\n')
        unfinished.rename(self.data)

    def _run(self, argv: list[str], *, stdin: str = "") -> str:
        """Run one of PostgreSQL's programs as the servers' account; its output."""
        try:
            # Programs found by `postgres_tree`, words of ours.
            done = subprocess.run(  # noqa: S603
                argv,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
                check=True,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC"},
                user=self.layout.account.uid,
                group=self.layout.account.gid,
                extra_groups=[] if self.layout.account.is_other else None,
            )
        except subprocess.CalledProcessError as error:
            raise EmbeddedServerError(f"{argv[0]} failed:\n{error.stderr or error.stdout}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedServerError(f"{argv[0]} could not be run: {error}") from error
        return done.stdout

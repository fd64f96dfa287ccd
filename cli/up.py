"""`tocsin up`: the servers, the schema, the API and the workers, in one command and gone with it."""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NoReturn

from pydantic import SecretStr

from cli.announcement import announce
from cli.embedded import EmbeddedServers, ServerUrls
from cli.embedded.errors import EmbeddedServerError
from cli.embedded.secret_keys import ensure_secret_keys
from cli.migrate import DatabaseAwayError, migrate
from cli.readiness import AddressTakenError, free_port, wait_until_ready
from cli.signals import StopRequested, StopSignals
from cli.supervision import GaveUpError, Supervisor, TocsinProcess, stop_all
from shared.log import configure_logging
from shared.settings import Settings

STOP_MARGIN_SECONDS = 15.0
"""What a process gets beyond `drain_seconds` before it is killed."""

EXIT_FAILED = 1


class NotReadyError(RuntimeError):
    """It did not come up; the message says what to look at."""

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_up(settings: Settings, *, workers: int) -> int:
    """Run until a signal; the exit code. However it ends, nothing that was started is left."""
    configure_logging(settings.log_level, settings.log_format)
    signals = StopSignals()
    signals.install()
    try:
        _run(settings, signals, workers=workers)
    except StopRequested:
        return 0
    except (EmbeddedServerError, AddressTakenError, DatabaseAwayError, GaveUpError, NotReadyError) as error:
        sys.stderr.write(f"tocsin up: {error}\n")
        return getattr(error, "exit_code", EXIT_FAILED)


def _run(settings: Settings, signals: StopSignals, *, workers: int) -> NoReturn:
    servers = EmbeddedServers(
        settings.data_dir,
        database_url=settings.database_url.get_secret_value() if settings.database_url else None,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
    )
    processes: list[TocsinProcess] = []
    try:
        servers.claim()
        port = free_port(settings.host, settings.port)
        urls = servers.start()
        migrate(urls.database_url)
        settings = settings.model_copy(update={"port": port, "embedded": servers.is_complete})
        settings = with_secret_keys(settings)
        processes += make_processes(settings, urls, workers=workers)
        supervisor = _start(processes, servers, settings=settings)
        announce(settings, servers, processes=processes)
        supervisor.run()
    finally:
        # From here on a signal must not interrupt, it only hurries.
        signals.is_stopping = True
        stop_all(
            processes,
            within_seconds=settings.drain_seconds + STOP_MARGIN_SECONDS,
            is_hurried=lambda: signals.is_hurried,
        )
        servers.stop()


def make_processes(settings: Settings, urls: ServerUrls, *, workers: int) -> list[TocsinProcess]:
    """The API and the workers, not started yet."""
    environment = child_environment(os.environ, settings, urls=urls)
    api = TocsinProcess("api", ["api"], environment=environment)
    worker_environment = with_loopback(environment, settings)
    return [
        api,
        *(
            TocsinProcess(
                f"worker {number}",
                ["worker"],
                environment=with_metrics_port(worker_environment, settings, number=number),
            )
            for number in range(1, workers + 1)
        ),
    ]


def with_secret_keys(settings: Settings) -> Settings:
    """The settings with the keys of the data directory, where the database is embedded and none are set."""
    if settings.secret_keys or settings.database_url is not None:
        return settings
    return settings.model_copy(update={"secret_keys": SecretStr(ensure_secret_keys(settings.data_dir))})


def child_environment(base: Mapping[str, str], settings: Settings, *, urls: ServerUrls) -> dict[str, str]:
    """What the children see: our own environment, where the servers are, and whether they are Tocsin's own."""
    keys = {} if settings.secret_keys is None else {"TOCSIN_SECRET_KEYS": settings.secret_keys.get_secret_value()}
    return {
        **base,
        **keys,
        "TOCSIN_DATABASE_URL": urls.database_url,
        "TOCSIN_REDIS_URL": urls.redis_url,
        "TOCSIN_HOST": settings.host,
        "TOCSIN_PORT": str(settings.port),
        "TOCSIN_EMBEDDED": "true" if settings.embedded else "false",
    }


def with_loopback(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Workers may collect from this machine when only this machine can ask them to, unless the user said otherwise."""
    is_private = settings.is_embedded and settings.is_loopback
    return {"TOCSIN_EGRESS_LOOPBACK": "true" if is_private else "false", **environment}


def with_metrics_port(environment: Mapping[str, str], settings: Settings, *, number: int) -> dict[str, str]:
    """The first worker shows its metrics at the port that is set, the others at those above it; 0 stays 0."""
    port = settings.worker_metrics_port and settings.worker_metrics_port + number - 1
    return {**environment, "TOCSIN_WORKER_METRICS_PORT": str(port)}


def _start(processes: Sequence[TocsinProcess], servers: EmbeddedServers, *, settings: Settings) -> Supervisor:
    """Start all and wait for the API; whoever ends meanwhile has refused, and starting it again would not help."""
    for process in processes:
        process.start()

    def check_alive() -> None:
        for process in processes:
            if (code := process.exit_code()) is not None:
                message = f"{process.name} ended while starting, with exit code {code}; what it said is above."
                raise NotReadyError(message, exit_code=abs(code) or EXIT_FAILED)

    if not wait_until_ready(settings.host, settings.port, check_alive=check_alive):
        raise NotReadyError("the API runs, but did not get ready within a minute; what it said is above.")
    return Supervisor(list(chain(processes, servers.running)))

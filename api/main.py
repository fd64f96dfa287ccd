"""Starting the API process: what it refuses to start on, the server's settings, and a clean stop."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from api.access_log import AccessLog
from api.app import create_app
from api.connections import HttpConnection, SocketConnection
from api.services import ApiServices
from shared.clock import utc_now
from shared.log import configure_logging
from shared.services.access import Access
from shared.settings import Settings
from shared.storage.errors import StorageUnavailableError
from shared.storage.schema import OldSchemaError, wait_for_schema
from shared.wiring import NotConfiguredError, ProcessContext
from shared.wiring.telemetry import telemetry

EXIT_REFUSED = 2
"""A setting is missing or unsafe."""
EXIT_OLD_SCHEMA = 3
EXIT_DATABASE_AWAY = 4
EXIT_PORT_TAKEN = 5

DATABASE_WAIT_SECONDS = 30.0
"""How long a start waits for a database that is still starting."""
GRACE_SECONDS = 10
"""How long a stop waits for requests that are being answered."""

_log = structlog.get_logger()


class StartRefusedError(Exception):
    """The process does not start; the message says what to do about it."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SystemExit: with a sentence on stderr and 2 to 5 when the process refuses to start.
    """
    configure_logging(settings.log_level, settings.log_format)
    try:
        with telemetry(settings, service="tocsin-api"):
            uvloop.run(_serve(settings))
    except StartRefusedError as error:
        sys.stderr.write(f"tocsin api: {error}\n")
        raise SystemExit(error.exit_code) from None
    except NotConfiguredError as error:
        sys.stderr.write(f"tocsin api: {error}\n")
        raise SystemExit(EXIT_REFUSED) from None


async def _serve(settings: Settings) -> None:
    context = ProcessContext.open(settings, name="tocsin-api")
    try:
        await _check_start(context)
        with _listening_socket(settings) as listener:
            await _run_server(context, listener)
    finally:
        await context.close()


async def _check_start(context: ProcessContext) -> None:
    """Refuse an old schema, and to be reached by others while nobody could be told from anybody."""
    try:
        await wait_for_schema(context.database, patience_seconds=DATABASE_WAIT_SECONDS)
        has_key = context.settings.admin_key is not None or context.settings.is_loopback
        has_key = has_key or await Access(context.database, clock=utc_now).has_valid_key()
    except OldSchemaError as error:
        raise StartRefusedError(str(error), exit_code=EXIT_OLD_SCHEMA) from error
    except StorageUnavailableError as error:
        raise StartRefusedError(
            "the database does not answer; check TOCSIN_DATABASE_URL", exit_code=EXIT_DATABASE_AWAY
        ) from error
    if not has_key:
        raise StartRefusedError(
            f"{context.settings.host} can be reached by others, and no API key is configured: set TOCSIN_ADMIN_KEY, "
            "make a key by `tocsin keys create`, or bind to 127.0.0.1",
            exit_code=EXIT_REFUSED,
        )


@contextmanager
def _listening_socket(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartRefusedError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); choose TOCSIN_HOST and TOCSIN_PORT",
            exit_code=EXIT_PORT_TAKEN,
        ) from error
    with listener:
        yield listener


async def _run_server(context: ProcessContext, listener: socket.socket) -> None:
    services = ApiServices(context)
    app = create_app(
        services, access_log=AccessLog.for_process(context.settings.log_format, context.settings.log_level)
    )
    server = ApiServer(make_config(app), services)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    _tune_garbage_collection()
    _log.info("api_listening", host=context.settings.host, port=listener.getsockname()[1])
    await server.serve(sockets=[listener])
    _log.info("api_stopped")


def make_config(app: ASGIApp) -> uvicorn.Config:
    """The server's settings; only what the front does not do itself."""
    return uvicorn.Config(
        cast(Callable[..., Any], app),
        http=HttpConnection,
        ws=SocketConnection,
        # What a client sends is small, and what is sent to it is not worth compressing anew for each.
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class ApiServer(uvicorn.Server):
    """uvicorn, with signals left to us and long polls let go before it waits for them."""

    def __init__(self, config: uvicorn.Config, services: ApiServices) -> None:
        super().__init__(config)
        self._services = services

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again at the end, before connections are closed."""
        yield

    def stop(self) -> None:
        """Answer what is being asked, then end; a second call hurries."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._services.waiting.close()
        self._services.live.close()


def _tune_garbage_collection() -> None:
    """What exists now lives as long as the process; fewer, later collections cut the slowest answers to a quarter."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)

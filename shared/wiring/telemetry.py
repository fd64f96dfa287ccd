"""Setting up what a process tells of itself, by its settings; what is not configured is not imported."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version

from shared.settings import Settings
from shared.telemetry.errors import set_reporter
from shared.telemetry.spans import set_tracer
from shared.wiring.process import NotConfiguredError

_HOW = "install Tocsin with its extra `diagnostics`, or unset it"


@contextmanager
def telemetry(settings: Settings, *, service: str) -> Iterator[None]:
    """Record spans and report errors while the block runs, as far as configured; `service` is shown with both.

    Raises:
        NotConfiguredError: it is configured, but its packages are not there, or the DSN is none.
    """
    instance = f"{socket.gethostname()}:{os.getpid()}"
    with ExitStack() as stack:
        if settings.sentry_dsn is not None:
            _start_reporting(stack, settings.sentry_dsn.get_secret_value(), service=service, instance=instance)
        if settings.otlp_endpoint is not None:
            _start_tracing(stack, settings.otlp_endpoint, settings.trace_ratio, service=service, instance=instance)
        yield


def _start_tracing(stack: ExitStack, endpoint: str, ratio: float, *, service: str, instance: str) -> None:
    try:
        from shared.telemetry.otlp import OtlpTracer  # noqa: PLC0415 - it loads a hundred modules
    except ImportError as error:
        raise NotConfiguredError(f"TOCSIN_OTLP_ENDPOINT needs OpenTelemetry: {_HOW}") from error
    tracer = OtlpTracer(endpoint, ratio=ratio, service=service, version=version("tocsin"), instance=instance)
    set_tracer(tracer)
    stack.callback(tracer.close)
    stack.callback(set_tracer, None)


def _start_reporting(stack: ExitStack, dsn: str, *, service: str, instance: str) -> None:
    try:
        from shared.telemetry.sentry import SentryReporter  # noqa: PLC0415 - it loads a hundred modules
    except ImportError as error:
        raise NotConfiguredError(f"TOCSIN_SENTRY_DSN needs sentry-sdk: {_HOW}") from error
    try:
        reporter = SentryReporter(dsn, service=service, version=version("tocsin"), instance=instance)
    except ValueError as error:
        raise NotConfiguredError("TOCSIN_SENTRY_DSN is no DSN of Sentry, `https://key@host/project`") from error
    set_reporter(reporter)
    stack.callback(reporter.close)
    stack.callback(set_reporter, None)

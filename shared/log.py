"""Structured logs by structlog: readable on a terminal, JSON elsewhere; ids travel by context."""

import logging
import sys
from typing import Any, Literal

import orjson
import structlog

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# Local variables hold DSNs, keys and headers; a traceback in a log tells where, never with what.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
)


def configure_logging(level: LogLevel, log_format: LogFormat) -> None:
    """Set the process's logging once; `request_id` and `job_id` bound to the context appear on each line."""
    is_console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if is_console:
        structlog.configure(
            processors=[
                *shared,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
                ),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[
                *shared,
                _TRACEBACKS,
                structlog.processors.JSONRenderer(serializer=orjson.dumps, default=str),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
            cache_logger_on_first_use=True,
        )
    logging.basicConfig(
        level=max(_LEVELS[level], logging.WARNING),
        handlers=[_library_handler(shared, is_console=is_console)],
    )


def _library_handler(shared: list[structlog.typing.Processor], *, is_console: bool) -> logging.Handler:
    """What libraries say by `logging`, in the form of our own lines: whoever reads JSON reads nothing else."""
    handler = logging.StreamHandler(sys.stderr)
    if is_console:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        return handler
    written = structlog.processors.JSONRenderer(serializer=_dumps, default=str)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _TRACEBACKS, written],
        )
    )
    return handler


def _dumps(line: structlog.typing.EventDict, **options: Any) -> str:  # noqa: ANN401 - orjson's own
    return orjson.dumps(line, **options).decode()

"""The access log: one line a request, readable on a terminal; elsewhere JSON, gathered and written in batches."""

import asyncio
import os
import sys
from datetime import UTC, datetime

import orjson
import structlog

from api.exchange import Exchange
from shared.log import LogFormat, LogLevel

FLUSH_SECONDS = 0.1
MAX_LINES = 10_000
"""Lines kept while they cannot be written; more are dropped and their number is logged."""

QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})
"""What machines ask all day; only its errors are worth a line."""

_log = structlog.get_logger("access")


class AccessLog:
    """Writes the lines; `descriptor` is the file that JSON goes to, None sends each line through structlog.

    What `is_quiet` keeps to itself is every request that ended well, for a process that logs warnings only.
    """

    def __init__(self, descriptor: int | None, *, is_quiet: bool = False) -> None:
        self._descriptor = descriptor
        self._is_quiet = is_quiet
        self._lines: list[bytes] = []
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def for_process(cls, log_format: LogFormat, log_level: LogLevel) -> "AccessLog":
        """The log in the form and from the level on that the process's other lines have."""
        is_console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
        return cls(None if is_console else sys.stderr.fileno(), is_quiet=log_level in {"warning", "error"})

    def write(self, exchange: Exchange, method: str, *, path: str, seconds: float) -> None:
        """Log a request that was answered. The query is left out: it may hold what should not be kept."""
        is_ours = exchange.status >= 500  # noqa: PLR2004 - server errors begin there
        if not is_ours and (self._is_quiet or exchange.route in QUIET_ROUTES):
            return
        if self._descriptor is None:
            _log.info("request", method=method, path=path, status=exchange.status, duration_ms=round(seconds * 1000, 3))
            return
        line = {
            "event": "request",
            "level": "info",
            "timestamp": datetime.now(UTC),
            "request_id": exchange.request_id,
            "method": method,
            "path": path,
            "status": exchange.status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes": exchange.body_bytes,
            "principal": exchange.principal and exchange.principal.principal_id,
        }
        if exchange.trace is not None:
            line["trace_id"] = exchange.trace.trace_id
        self._gather(line)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if self._dropped:
            lines.append(orjson.dumps({"event": "access_lines_dropped", "count": self._dropped}) + b"\n")
            self._dropped = 0
        data = b"".join(lines)
        while data and self._descriptor is not None:
            data = data[os.write(self._descriptor, data) :]

    def _gather(self, line: dict[str, object]) -> None:
        if len(self._lines) >= MAX_LINES:
            self._dropped += 1
            return
        self._lines.append(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

"""Statements that took long, logged with their text and never with their values."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import structlog
from prometheus_client import Counter

SHOWN_CHARACTERS = 1000

SLOW_QUERIES = Counter("tocsin_slow_queries", "Database statements that took longer than the bound.")

_log = structlog.get_logger()


@dataclass(slots=True)
class Watch:
    """A statement under way; `rows` is told once it is over, and -1 when nobody knows."""

    rows: int | None = None


class SlowQueries:
    """Tells of statements that took `threshold_ms` milliseconds or more; of none when that is 0.

    The ids of the job or the request that is waited for come from the log's context.
    """

    def __init__(self, threshold_ms: int) -> None:
        self.threshold_seconds = threshold_ms / 1000 if threshold_ms else math.inf

    @contextmanager
    def watched(self, statement: str) -> Iterator[Watch]:
        """Tell of the statement that the block runs, if it is slow."""
        watch = Watch()
        began = perf_counter()
        try:
            yield watch
        finally:
            seconds = perf_counter() - began
            if seconds >= self.threshold_seconds:
                self.note(statement, seconds=seconds, rows=watch.rows)

    def note(self, statement: str, *, seconds: float, rows: int | None) -> None:
        """Log a statement, in one line; `rows` is None when it failed, and -1 when nobody knows."""
        SLOW_QUERIES.inc()
        shown = " ".join(statement.split())[:SHOWN_CHARACTERS]
        _log.warning("slow_query", statement=shown, ms=round(seconds * 1000, 1), rows=rows)

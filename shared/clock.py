"""The one place that reads the time; everything below an entrance is handed `now`."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, aware and in UTC."""


def utc_now() -> datetime:
    """The present moment, aware and in UTC."""
    return datetime.now(UTC)

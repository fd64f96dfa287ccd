"""Durations as people write them: `500ms`, `30s`, `1h30m`, `2d`."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated

import durationpy
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_PATTERN = r"(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|w|mm|y))+)"
_DAY = timedelta(days=1)
_DURATION = re.compile(f"-?{_PATTERN}")


def parse_duration(text: object) -> timedelta:
    """Parse Go's duration syntax, with `d`, `w` for days and weeks.

    Raises:
        ValueError: `text` is no such duration, or is negative.
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str):
        raise ValueError('a duration is a string such as "500ms", "30s" or "1h30m"')  # noqa: TRY004 - pydantic reads ValueError
    return _parse_text(text)


@lru_cache(maxsize=1024)
def _parse_text(text: str) -> timedelta:
    """Parse; a thousand targets mostly say the same few durations."""
    # The library looks at both ends of the text only, and takes "1h?5s".
    if not _DURATION.fullmatch(text):
        raise ValueError(f'"{text[:40]}" is no duration; write for example "500ms", "30s" or "1h30m"')
    try:
        duration: timedelta = durationpy.from_str(text)
    except (durationpy.DurationError, ValueError, OverflowError) as error:
        raise ValueError(f'"{text[:40]}" is no duration; write for example "500ms", "30s" or "1h30m"') from error
    if duration < timedelta(0):
        raise ValueError("a duration is not negative")
    return duration


@lru_cache(maxsize=1024)
def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same one; whole days from two on as days."""
    if not duration:
        return "0s"
    if duration.days > 1 and not duration % _DAY:
        return f"{duration.days}d"
    return str(durationpy.to_str(duration))


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "format": "go-duration",
            "pattern": f"^{_PATTERN}$",
            "examples": ["5s", "1m30s"],
        }
    ),
]
"""A `timedelta` that is a string in JSON."""

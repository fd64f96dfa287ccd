"""Durations as people write them: `500ms`, `30s`, `1h30m`, `2d`."""

from datetime import timedelta
from typing import Annotated

import durationpy
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


def parse_duration(text: object) -> timedelta:
    """Parse Go's duration syntax, with `d`, `w` for days and weeks.

    Raises:
        ValueError: `text` is no such duration, or is negative.
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str):
        raise ValueError('a duration is a string such as "500ms", "30s" or "1h30m"')  # noqa: TRY004 - pydantic reads ValueError
    try:
        duration: timedelta = durationpy.from_str(text)
    except (durationpy.DurationError, ValueError, OverflowError) as error:
        raise ValueError(f'"{text[:40]}" is no duration; write for example "500ms", "30s" or "1h30m"') from error
    if duration < timedelta(0):
        raise ValueError("a duration is not negative")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same one."""
    return str(durationpy.to_str(duration))


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|w|mm|y))+$", "examples": ["5s", "1h30m"]}
    ),
]
"""A `timedelta` that is a string in JSON."""

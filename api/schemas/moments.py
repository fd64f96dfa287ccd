"""Moments as RFC 3339 writes them: always with an offset, never a bare number."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Between these two every moment lies."""


def parse_moment(text: object) -> datetime:
    """Parse a date and time with its offset; what lies before 1970 or after 9000 becomes the nearest of them.

    Raises:
        ValueError: `text` is none.
    """
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text.upper()):
        raise ValueError('a moment is RFC 3339 with its offset, such as "2030-01-31T12:00:00Z"')
    moment = datetime.fromisoformat(text.upper())
    return min(max(moment, EARLIEST), LATEST)


Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00Z"]}),
]
"""An aware `datetime` that is a string in JSON."""

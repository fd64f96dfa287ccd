"""How long a receiver asks us to wait (RFC 9110, 10.2.3)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)
_MOST_DIGITS = 9


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Read `Retry-After`, seconds or an HTTP date, as a time from `now`; None when it says nothing readable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:_MOST_DIGITS])), LONGEST)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = moment.replace(tzinfo=moment.tzinfo or UTC)
    return max(timedelta(0), min(until - now, LONGEST))

"""Jobs' ids, which are UUIDv7 (RFC 9562): ordered by the millisecond they were made in."""

from datetime import datetime
from uuid import UUID

_RANDOM_BITS = 80
_LAST_MILLISECOND = 2**48 - 1


def first_id_of(moment: datetime) -> UUID:
    """The least id of the millisecond that `moment` lies in; what no id can name becomes the nearest."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), _LAST_MILLISECOND) << _RANDOM_BITS)


def made_at_seconds(job_id: UUID) -> float | None:
    """When the id was made, in seconds since 1970; None for an id of another kind."""
    is_timed = job_id.version == 7  # noqa: PLR2004 - RFC 9562's number of the version.
    return (job_id.int >> _RANDOM_BITS) / 1000 if is_timed else None

"""What jobs' ids tell of the time they were made."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from shared.domain.job.job_ids import first_id_of, made_at_seconds

MILLISECOND = timedelta(milliseconds=1)


def test_an_id_lies_in_its_millisecond() -> None:
    """Not before the first id of the time it was made, and before that of the next."""
    before = datetime.now(UTC)
    job_id = uuid7()
    after = datetime.now(UTC)
    assert first_id_of(before) <= job_id < first_id_of(after + MILLISECOND)
    made_at = made_at_seconds(job_id)
    assert made_at is not None
    assert (before - MILLISECOND).timestamp() < made_at <= after.timestamp()


def test_what_no_id_can_name_is_the_nearest_it_can() -> None:
    """Before 1970 it is the least id there is, and no id of another kind tells a time."""
    assert first_id_of(datetime(1900, 1, 1, tzinfo=UTC)) == UUID(int=0)
    assert made_at_seconds(uuid4()) is None

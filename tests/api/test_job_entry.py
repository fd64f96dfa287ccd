"""When asking for a job again is worth it."""

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.job_entry import entry_of, retry_after_seconds
from shared.domain.job.job_status import JobStatus, is_past_keeping, status_of
from shared.domain.job.jobs import JobKind, JobState, NewJob
from shared.services.job.job_intake import as_submitted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATUS: JobStatus = status_of(
    as_submitted(NewJob(UUID(int=1), JobKind.NOTIFY, "{}", NOW, max_attempts=3, principal_id="me"), now=NOW)
)


@pytest.mark.parametrize(
    ("state", "due_in", "start_delay", "expected"),
    [
        (JobState.SCHEDULED, 20.0, 0.0, 20),
        (JobState.SCHEDULED, 0.2, 0.0, 1),
        (JobState.RETRYING, 3600.0, 0.0, 60),
        (JobState.QUEUED, 0.0, 0.01, 1),
        (JobState.QUEUED, 0.0, 7.9, 7),
        (JobState.QUEUED, 0.0, float("inf"), 60),
        (JobState.RUNNING, 0.0, 30.0, 1),
    ],
)
def test_it_is_when_something_is_expected_to_happen(
    state: JobState, due_in: float, start_delay: float, expected: int
) -> None:
    """What waits for its time when it is due, what is queued when its queue will have come to it; 1 to 60 seconds."""
    entry = entry_of(replace(STATUS, state=state, run_at=NOW + timedelta(seconds=due_in)))
    assert retry_after_seconds(entry, now=NOW, start_delay=lambda _: start_delay) == expected


@pytest.mark.parametrize(
    ("made_days_ago", "version", "keep_days", "expected"),
    [(31, 7, 30, True), (29, 7, 30, False), (31, 4, 30, False), (4000, 7, 0, False)],
)
def test_an_old_id_may_have_been_removed(made_days_ago: int, version: int, keep_days: int, *, expected: bool) -> None:
    """By the time in a UUIDv7, which no other version carries; nothing is removed where jobs are kept for ever."""
    milliseconds = int((NOW - timedelta(days=made_days_ago)).timestamp() * 1000)
    job_id = UUID(int=milliseconds << 80 | version << 76 | 0b10 << 62)
    assert is_past_keeping(job_id, now=NOW, keep_days=keep_days) is expected


def test_an_entry_takes_no_more_memory_than_its_bytes() -> None:
    """Thousands are kept in the cache; the writer's buffer of eight kilobytes must not stay behind each."""
    tracemalloc.start()
    entries = [entry_of(STATUS) for _ in range(100)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100 * (len(entries[0].body) + 2000)

"""The coherent cache."""

from datetime import UTC, datetime
from uuid import uuid4

from api.job_cache import TTL_SECONDS, JobCache
from api.job_entry import JobEntry
from shared.domain.job.jobs import JobKind, JobState

JOB = str(uuid4())


def entry(version: int = 1) -> JobEntry:
    """How some job stands."""
    return JobEntry(
        b'"x"',
        b"{}",
        JobKind.COLLECT,
        JobState.QUEUED,
        is_done=False,
        run_at=datetime(2026, 1, 1, tzinfo=UTC),
        version=version,
    )


def load(cache: JobCache, job_id: str, *, at: float = 0.0, version: int = 1) -> None:
    """Read a job without anything happening meanwhile."""
    cache.end_load(job_id, cache.begin_load(job_id), entry=entry(version), at=at)


def test_an_entry_is_kept_for_its_time() -> None:
    """Within the time to live the entry answers, after it no more."""
    cache = JobCache()
    load(cache, JOB, at=100.0)
    assert cache.get(JOB, at=100.0 + TTL_SECONDS) == entry()
    assert cache.get(JOB, at=100.1 + TTL_SECONDS) is None


def test_a_change_drops_the_entry() -> None:
    """After an event the job is read anew."""
    cache = JobCache()
    load(cache, JOB)
    cache.drop(JOB)
    assert cache.get(JOB, at=0.0) is None


def test_what_was_read_before_a_change_is_not_kept() -> None:
    """An event that comes while the row is being read may be newer than what was read."""
    cache = JobCache()
    token = cache.begin_load(JOB)
    cache.drop(JOB)
    cache.end_load(JOB, token, entry=entry(), at=0.0)
    assert cache.get(JOB, at=0.0) is None


def test_the_later_of_two_reads_is_kept() -> None:
    """A slow early read does not replace what a later one found."""
    cache = JobCache()
    early, late = cache.begin_load(JOB), cache.begin_load(JOB)
    cache.end_load(JOB, late, entry=entry(2), at=0.0)
    cache.end_load(JOB, early, entry=entry(1), at=0.0)
    assert cache.get(JOB, at=0.0) == entry(2)


def test_a_reconnect_forgets_everything() -> None:
    """Events may have been missed, also those of reads in flight."""
    cache = JobCache()
    other = str(uuid4())
    load(cache, JOB)
    token = cache.begin_load(other)
    cache.clear()
    cache.end_load(other, token, entry=entry(), at=0.0)
    assert cache.get(JOB, at=0.0) is None
    assert cache.get(other, at=0.0) is None


def test_the_oldest_entry_goes_first() -> None:
    """The cache is bounded; renewing an entry makes it young."""
    cache = JobCache(max_entries=2)
    first, second, third = str(uuid4()), str(uuid4()), str(uuid4())
    load(cache, first)
    load(cache, second)
    load(cache, first)
    load(cache, third)
    assert [cache.get(job_id, at=0.0) is not None for job_id in (first, second, third)] == [True, False, True]


def test_a_missing_job_is_not_kept() -> None:
    """Who asks too early sees the job as soon as it is there."""
    cache = JobCache()
    cache.end_load(JOB, cache.begin_load(JOB), entry=None, at=0.0)
    assert cache.get(JOB, at=0.0) is None

"""Reading how jobs stand."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from planting import plant
from uuid_utils.compat import uuid7

from shared.domain.job.job_status import JobFilter, JobStatus, status_of
from shared.domain.job.jobs import JobKind, JobState, NewJob
from shared.services.job.job_intake import as_submitted
from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError
from shared.storage.job.job_status_store import JobStatusStore, find_statuses
from shared.storage.job.job_store import JobStore
from shared.storage.work import UnitOfWork

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

MANY_JOBS = """
    insert into jobs (job_id, kind, queue, state, spec, labels, run_at, max_attempts, principal_id, parent_id,
                      unique_key, limit_key, error_fingerprint, finished_at, created_at)
    select lpad(to_hex(n), 32, '0')::uuid, 'collect', 'tocsin:collect', 'failed', '{}',
           jsonb_build_object('team', 'team ' || n), $1, 1, 'tests',
           lpad(to_hex(n / 2), 32, '0')::uuid, 'key ' || n, 'key ' || n, lpad(to_hex(n), 16, '0'), $1, $1
    from generate_series(1, 5000) n
"""


def new_job(**labels: str) -> NewJob:
    """A job that is due now."""
    return NewJob(uuid7(), JobKind.COLLECT, '{"targets": []}', NOW, 3, "tests", labels)


async def insert(database: Database, *jobs: NewJob) -> list[UUID]:
    """Keep the jobs."""
    async with database.transaction() as work:
        await JobStore(work).insert(jobs, now=NOW)
    return [job.job_id for job in jobs]


async def find(database: Database, *job_ids: UUID) -> dict[UUID, JobStatus]:
    """How the jobs stand."""
    async with database.reading() as reader:
        return await find_statuses(reader, job_ids)


async def test_a_status_read_is_the_status_submitted(database: Database) -> None:
    """What the answer to a submission says without reading is what the row says."""
    job = new_job()
    await insert(database, job)
    assert await find(database, job.job_id, uuid7()) == {job.job_id: status_of(as_submitted(job, now=NOW))}


async def test_a_broken_connection_is_not_handed_out_again(database: Database, database_url: str) -> None:
    """A reader that fails takes its connection out of the pool; the next one gets a new one."""
    own = Database(create_engine(database_url, pool_size=2, name="reading-test"))
    (job_id,) = await insert(own, new_job())
    async with own.reading() as reader:
        (row,) = await reader.fetch("select pg_backend_pid()")
    async with database.transaction() as work:
        await work.fetch("select pg_terminate_backend($1)", row[0])
    with pytest.raises(StorageUnavailableError):
        await find(own, job_id)
    assert set(await find(own, job_id)) == {job_id}
    await own.close()


async def test_a_reader_leaves_no_transaction_open(database: Database) -> None:
    """Its connection goes back idle: an open transaction would hold up the vacuum."""
    async with database.reading() as reader:
        (row,) = await reader.fetch("select pg_backend_pid()")
        async with database.transaction() as work:
            (state,) = await work.fetch("select state from pg_stat_activity where pid = $1", row[0])
    assert state[0] == "idle"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (JobFilter(), [2, 1, 0]),
        (JobFilter(labels={"team": "web"}), [2, 0]),
        (JobFilter(labels={"team": "web", "zone": "a"}), [2]),
        (JobFilter(states=frozenset({JobState.QUEUED})), [2, 1, 0]),
        (JobFilter(states=frozenset({JobState.FAILED})), []),
        (JobFilter(kind=JobKind.NOTIFY), []),
        (
            JobFilter(created_after=NOW - timedelta(microseconds=1), created_before=NOW + timedelta(microseconds=1)),
            [2, 1, 0],
        ),
        (JobFilter(created_after=NOW), []),
        (JobFilter(created_before=NOW), []),
        (JobFilter(created_after=datetime(1970, 1, 1, tzinfo=UTC)), [2, 1, 0]),
        (JobFilter(created_before=datetime(9000, 1, 1, tzinfo=UTC)), [2, 1, 0]),
    ],
)
async def test_filters_narrow_the_list(database: Database, wanted: JobFilter, expected: list[int]) -> None:
    """The newest first; the bounds on the ids never hide what the bounds on the time let through."""
    made = (new_job(team="web"), new_job(team="db"), new_job(team="web", zone="a"))
    jobs = [_made_at(job, NOW, number=number) for number, job in enumerate(made)]
    ids = await insert(database, *jobs)
    async with database.transaction() as work:
        found = await JobStatusStore(work).list_statuses(wanted, before=None, limit=10)
    assert [ids.index(status.job_id) for status in found] == expected


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (JobFilter(labels={"team": "web"}), "ix_jobs_labels"),
        (JobFilter(parent_id=UUID(int=7)), "ix_jobs_parent"),
        (JobFilter(unique_key="key 7"), "ix_jobs_unique_key"),
        (JobFilter(limit_key="key 7"), "ix_jobs_limit_key"),
        (JobFilter(fingerprint="0123456789abcdef"), "ix_jobs_failed"),
        (JobFilter(finished_after=NOW + timedelta(hours=1)), "ix_jobs_finished"),
        (JobFilter(created_after=NOW + timedelta(hours=1)), "pk_jobs"),
    ],
)
async def test_a_narrow_filter_finds_its_index(
    database: Database, monkeypatch: pytest.MonkeyPatch, wanted: JobFilter, index: str
) -> None:
    """A few jobs among many are not looked for in all of them."""
    await plant(database, MANY_JOBS, NOW)
    fetch = UnitOfWork.fetch

    async def explain(self: UnitOfWork, statement: str, *parameters: object) -> object:
        plans.extend(row[0] for row in await fetch(self, f"explain {statement}", *parameters))
        return []

    plans: list[str] = []
    async with database.transaction() as work:
        await work.run("analyze jobs")
        monkeypatch.setattr(UnitOfWork, "fetch", explain)
        await JobStatusStore(work).list_statuses(wanted, before=None, limit=50)
        monkeypatch.undo()
    assert any(f" {index} " in line for line in plans), "\n".join(plans)


async def test_a_list_goes_on_behind_a_job(database: Database) -> None:
    """Keyset: the place is a job, not a number."""
    ids = await insert(database, *(_made_at(new_job(), NOW, number=number) for number in range(3)))
    async with database.transaction() as work:
        found = await JobStatusStore(work).list_statuses(JobFilter(), before=ids[2], limit=1)
    assert [status.job_id for status in found] == [ids[1]]


def _made_at(job: NewJob, moment: datetime, *, number: int) -> NewJob:
    """The job with an id of that moment, as a process makes it just before it writes the row."""
    job_id = UUID(int=(int(moment.timestamp() * 1000) << 80) | number)
    return NewJob(job_id, job.kind, job.spec, job.run_at, job.max_attempts, job.principal_id, job.labels)

"""The database refuses every change of a job's state that its life does not have."""

from itertools import product

import pytest
from job_bench import new_job
from planting import plant
from sqlalchemy.exc import IntegrityError

from shared.clock import utc_now
from shared.domain.job.jobs import TRANSITIONS, JobState
from shared.storage.database import Database
from shared.storage.job.job_store import JobStore

_COLUMNS = """
    state = $2, finished_at = case when $2 in ('succeeded', 'failed', 'cancelled', 'expired') then now() end,
    lease_token = case when $2 = 'running' then gen_random_uuid() end
"""


@pytest.mark.parametrize(("old", "new"), [pair for pair in product(JobState, JobState) if pair[0] is not pair[1]])
async def test_the_guard_is_the_transition_table(database: Database, old: JobState, new: JobState) -> None:
    """Each of the 56 pairs is allowed by the trigger exactly when the table allows it."""
    job = new_job()
    async with database.transaction() as work:
        await JobStore(work).insert([job], now=utc_now())
    await plant(database, f"update jobs set {_COLUMNS} where job_id = $1", job.job_id, old.value)
    change = f"update jobs set {_COLUMNS} where job_id = $1"
    if new in TRANSITIONS[old]:
        async with database.transaction() as work:
            await work.run(change, job.job_id, new.value)
        return
    with pytest.raises(IntegrityError, match=f"cannot go from {old} to {new}"):
        async with database.transaction() as work:
            await work.run(change, job.job_id, new.value)

"""Submitting: once per key, committed before it is answered, rung afterwards."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from job_bench import Bench, new_job

from shared.clock import utc_now
from shared.domain.job.jobs import JobState
from shared.domain.job.submissions import OnConflict, ParentUnknown, UniqueKeyTaken
from shared.services.job.job_submission import Accepted, Idempotency, JobSubmission, KeyReused, Submission

KEY = Idempotency("key-1", b"f" * 32)


async def count_jobs(bench: Bench) -> int:
    async with bench.database.transaction() as work:
        return (await work.fetch("select count(*) as n from jobs"))[0].n


async def test_a_submitted_job_stands_and_is_rung(bench: Bench) -> None:
    """The answer equals the row, and the doorbell was rung under the first dispatch."""
    job = await bench.submitted()
    assert await bench.job(job.job_id) == job
    assert job.state is JobState.QUEUED
    assert await bench.rung() == {f"{job.job_id}:1"}


async def test_a_job_for_later_is_scheduled_and_not_rung(bench: Bench) -> None:
    """PostgreSQL keeps what is due later; Redis hears of it when it is due."""
    job = await bench.submitted(run_at=utc_now() + timedelta(hours=1))
    assert (await bench.job(job.job_id)).state is JobState.SCHEDULED
    assert await bench.rung() == set()


async def test_the_same_key_makes_one_job(bench: Bench) -> None:
    """A repeat gets the first job, as it stands now."""
    first = await bench.submission.submit(Submission(new_job(), KEY))
    again = await bench.submission.submit(Submission(new_job(), KEY))
    assert isinstance(first, Accepted)
    assert again == Accepted(first.job, is_replayed=True)
    assert await count_jobs(bench) == 1


async def test_the_same_key_at_the_same_time_makes_one_job(bench: Bench) -> None:
    """Two processes and one batch may carry the same key at once; one job comes of it."""
    other = JobSubmission(bench.database, bench.doorbell, clock=utc_now, max_pending=100)
    results = await asyncio.gather(
        *(service.submit(Submission(new_job(), KEY)) for _ in range(20) for service in (bench.submission, other))
    )
    assert len({result.job.job_id for result in results if isinstance(result, Accepted)}) == 1
    assert sum(not result.is_replayed for result in results if isinstance(result, Accepted)) == 1
    assert await count_jobs(bench) == 1


async def test_a_key_with_another_body_is_refused(bench: Bench) -> None:
    """The key stands for the first request only, and nothing new is made."""
    await bench.submission.submit(Submission(new_job(), KEY))
    assert await bench.submission.submit(Submission(new_job(), Idempotency("key-1", b"g" * 32))) == KeyReused("key-1")
    assert await count_jobs(bench) == 1


async def test_another_principal_has_keys_of_its_own(bench: Bench) -> None:
    """Keys leak nothing from one client to the next."""
    await bench.submission.submit(Submission(new_job(), KEY))
    other = await bench.submission.submit(Submission(new_job(principal_id="other"), KEY))
    assert isinstance(other, Accepted)
    assert not other.is_replayed


async def test_an_expired_key_is_free_again(bench: Bench) -> None:
    """What the API promises to remember for a day is forgotten after it, before upkeep comes by."""
    first = await bench.submission.submit(Submission(new_job(), KEY))
    async with bench.database.transaction() as work:
        await work.run("update idempotency_keys set expires_at = now() - interval '1 s'")
    second = await bench.submission.submit(Submission(new_job(), KEY))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert not second.is_replayed
    assert first.job.job_id != second.job.job_id


async def test_many_are_taken_in_their_order(bench: Bench) -> None:
    """A batch is one transaction, and its results stand in the order of its items."""
    submissions = [Submission(new_job(), Idempotency(f"k{n % 3}", b"f" * 32)) for n in range(6)]
    results = await bench.submission.submit_many(submissions)
    assert [result.is_replayed for result in results if isinstance(result, Accepted)] == [False] * 3 + [True] * 3
    assert await count_jobs(bench) == 3


async def test_one_bad_item_of_a_group_fails_alone(bench: Bench) -> None:
    """A spec that PostgreSQL refuses does not fail those who share its commit."""
    good, bad = new_job(), new_job(spec='{"text": "\\u0000"}')
    results = await asyncio.gather(
        *(bench.submission.submit(Submission(job)) for job in (good, bad)), return_exceptions=True
    )
    assert isinstance(results[0], Accepted)
    assert isinstance(results[1], Exception)
    assert await count_jobs(bench) == 1


@pytest.mark.parametrize("taken", [1, 700])
async def test_what_was_answered_is_in_the_database(bench: Bench, taken: int) -> None:
    """Every acknowledged job has a row, however many came at once."""
    results = await asyncio.gather(*(bench.submission.submit(Submission(new_job())) for _ in range(taken)))
    assert all(isinstance(result, Accepted) for result in results)
    assert await count_jobs(bench) == taken
    assert len(await bench.rung()) == taken


async def test_the_same_unique_key_at_the_same_time_makes_one_job(bench: Bench) -> None:
    """Two processes and their groups may carry the same key at once; all are answered with the one job, rung once."""
    other = JobSubmission(bench.database, bench.doorbell, clock=utc_now, max_pending=100)
    results = await asyncio.gather(
        *(s.submit(Submission(new_job(unique_key="nightly"))) for _ in range(20) for s in (bench.submission, other))
    )
    assert len({result.job.job_id for result in results if isinstance(result, Accepted)}) == 1
    assert sum(not result.is_deduplicated for result in results if isinstance(result, Accepted)) == 1
    assert await count_jobs(bench) == 1
    assert len(await bench.rung()) == 1


async def test_an_unknown_parent_fails_alone(bench: Bench) -> None:
    """Those who share its commit are taken."""
    missing = uuid4()
    results = await asyncio.gather(
        *(bench.submission.submit(Submission(new_job(parent_id=parent))) for parent in (None, missing, None))
    )
    assert [type(result) for result in results] == [Accepted, ParentUnknown, Accepted]
    assert results[1] == ParentUnknown(missing)
    assert await count_jobs(bench) == 2


async def test_one_key_twice_in_a_group_has_one_answer(bench: Bench) -> None:
    """Idempotency key and unique key together: each repeat of what was deduplicated or refused is told the same."""
    holder = await bench.submitted(unique_key="nightly")
    again = [Submission(new_job(unique_key="nightly"), KEY) for _ in range(2)]
    first, second = await bench.submission.submit_many(again)
    assert first == Accepted(holder, is_deduplicated=True)
    assert second == Accepted(holder, is_replayed=True, is_deduplicated=True)
    refused = [
        Submission(new_job(unique_key="nightly"), Idempotency("key-2", b"f" * 32), OnConflict.REJECT) for _ in range(2)
    ]
    assert await bench.submission.submit_many(refused) == [UniqueKeyTaken(holder.job_id)] * 2

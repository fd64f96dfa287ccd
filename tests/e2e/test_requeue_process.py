"""A requeue job in worker processes that are killed."""

from job_bench import Bench, new_job
from redis.asyncio import Redis
from worker_site import ended, open_site, submit, worker_process

from shared.domain.job.jobs import JobKind, JobState
from shared.domain.job.requeue import Canary, RequeueFilter, RequeueOrder
from shared.services.job.job_submission import Accepted, Submission
from shared.services.job.requeue_work import order_json
from shared.storage.database import Database, create_engine


async def test_a_requeue_outlives_its_workers(fresh_database_url: str, redis: Redis, redis_url: str) -> None:
    """Kill -9 while a canary runs: another worker finishes it and all that follows, each job requeued once."""
    database = Database(create_engine(fresh_database_url, pool_size=4, name="test"))
    bench = Bench(database, redis)
    order = RequeueOrder(RequeueFilter(states=(JobState.CANCELLED,)), Canary(steps=(1,), max_failure_rate=0.0))
    async with open_site() as site:
        olds = [await submit(bench, site) for _ in range(4)]
        for old in olds:
            await bench.control.cancel(old.job_id)
        accepted = await bench.submission.submit(Submission(new_job(kind=JobKind.REQUEUE, spec=order_json(order))))
        assert isinstance(accepted, Accepted)
        async with worker_process(fresh_database_url, redis_url) as first:
            await site.visit()
            first.kill()
        site.gate.set()
        async with worker_process(fresh_database_url, redis_url):
            done = await ended(bench, accepted.job)
            async with database.transaction() as work:
                rows = await work.fetch("select job_id, requeue_of from jobs where requeue_of is not null")
            children = [(await bench.job(row.job_id), row.requeue_of) for row in rows]
            ends = [(await ended(bench, child)).state for child, _ in children]
    await database.close()
    assert (done.state, (done.result or {})["requeued"]) == (JobState.SUCCEEDED, 4)
    assert {requeue_of for _, requeue_of in children} == {old.job_id for old in olds}
    assert ends == [JobState.SUCCEEDED] * 4

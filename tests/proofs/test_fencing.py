"""A worker that stood still past its lease comes back too late: its result is thrown away, and seen as such."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import ApiProcess, api_process
from crashing import work_and_die, work_and_stall
from job_bench import Bench
from proving import LEASE_SECONDS, PATIENCE_SECONDS, StartVictim, all_ended, hurried_upkeep

from chaos.ground import Ground
from chaos.ledger import read_records, reckon
from chaos.witness import Witness
from shared.domain.job.jobs import Job, JobKind
from shared.settings import Settings


@pytest.fixture(scope="module")
def api(own_ground: Ground) -> Iterator[ApiProcess]:
    """An API process over the same servers."""
    urls = own_ground.urls
    with api_process(database_url=urls.database_url, redis_url=urls.redis_url, admin_key=ADMIN_KEY) as process:
        yield process.wait_until_listening()


@pytest.fixture
async def client(api: ApiProcess) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that may read everything."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx2.AsyncClient(base_url=api.url, headers=headers) as client:
        yield client


async def submitted(bench: Bench, witness: Witness) -> Job:
    """A collect job whose target keeps its visitors."""
    witness.keep("/kept")
    target = f'{{"kind": "http", "url": "{witness.url("/kept")}", "timeout": "60s"}}'
    job = await bench.submitted(kind=JobKind.COLLECT, spec=f'{{"targets": [{target}]}}')
    await bench.doorbell.drain()
    return job


async def attempts(client: httpx2.AsyncClient, job_id: UUID, *, until: str) -> list[tuple[str, str]]:
    """The worker and outcome of each attempt as the API tells them, once one of them is `until`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await client.get(f"/api/v1/jobs/{job_id}/attempts")
            told = [(item["worker_id"], item["outcome"]) for item in answer.raise_for_status().json()["items"]]
            if until in [outcome for _, outcome in told]:
                return told
            await asyncio.sleep(0.05)


async def assert_done_once(ground: Ground, witness: Witness, job: Job) -> None:
    """The job ended once, and its sample is there once, although its target was visited twice."""
    record = (await read_records(ground.urls.database_url))[job.job_id]
    found = reckon([job.job_id], {job.job_id: record}, {job.job_id: witness.visits["/kept"]})
    assert (found.lost, found.doubled, found.fenced, found.visits) == ({}, {}, 1, 2)
    assert (record.state, record.samples) == ("succeeded", 1)


async def test_the_late_result_of_a_stopped_worker_is_fenced(
    own_ground: Ground,
    victims_settings: Settings,
    bench: Bench,
    witness: Witness,
    start: StartVictim,
    client: httpx2.AsyncClient,
) -> None:
    """SIGSTOP past the lease, SIGCONT after another worker's end: both attempts are there, the other one's counts."""
    job = await submitted(bench, witness)
    stopped = start("stopped", work_and_die, victims_settings, None)
    await witness.visited("/kept")
    stopped.signal(signal.SIGSTOP)
    # The answer reaches the stopped process, which so has a result of its own when it wakes.
    witness.release("/kept")
    start("other", work_and_die, victims_settings, None)
    async with hurried_upkeep(bench):
        await all_ended(own_ground.urls.database_url)
    before = await attempts(client, job.job_id, until="succeeded")
    assert [outcome for _, outcome in before] == ["lost", "succeeded"]
    stopped.signal(signal.SIGCONT)
    after = await attempts(client, job.job_id, until="fenced")
    assert after == [(before[0][0], "fenced"), before[1]]
    assert before[0][0] != before[1][0]
    await assert_done_once(own_ground, witness, job)


async def test_a_worker_whose_event_loop_stood_still_is_fenced(
    own_ground: Ground,
    victims_settings: Settings,
    bench: Bench,
    witness: Witness,
    start: StartVictim,
    client: httpx2.AsyncClient,
) -> None:
    """No heartbeat leaves a blocked loop; somebody else does the job, and the blocked worker's result is void."""
    job = await submitted(bench, witness)
    start("blocked", work_and_stall, victims_settings, 2.5 * LEASE_SECONDS)
    await witness.visited("/kept")
    start("other", work_and_die, victims_settings, None)
    witness.release("/kept")
    async with hurried_upkeep(bench):
        await all_ended(own_ground.urls.database_url)
    told = await attempts(client, job.job_id, until="fenced")
    assert [outcome for _, outcome in told] == ["fenced", "succeeded"]
    await assert_done_once(own_ground, witness, job)

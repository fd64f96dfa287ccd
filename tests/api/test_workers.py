"""The worker processes over HTTP."""

from datetime import timedelta

import httpx2
import pytest
from api_client import BASE_URL, MakeKey
from job_bench import new_job
from starlette.types import ASGIApp

from shared.clock import utc_now
from shared.domain.access import Scope
from shared.domain.fleet.workers import WorkerState
from shared.domain.job.jobs import Ring
from shared.services.fleet.vitals import Vitals
from shared.storage.database import Database
from shared.storage.fleet.worker_store import WorkerStore
from shared.storage.job.job_store import QUEUE_OF, JobStore
from shared.storage.job.lease_store import LeaseStore

PATH = "/api/v1/workers"
THIRTY_SECONDS = timedelta(seconds=30)


async def report(database: Database, worker_id: str, *, silent_seconds: float = 0.0, busy: int = 0) -> None:
    """A worker that reported itself so long ago, with leases of 30 s."""
    vitals = Vitals(worker_id, queues=["tocsin:notify"], slots=100)
    async with database.transaction() as work:
        await WorkerStore(work).report(vitals.report(busy=busy, lag_seconds=0.25, lease_seconds=30))
        await work.run(
            "update workers set beat_at = now() - $2 * interval '1 s' where worker_id = $1", worker_id, silent_seconds
        )


async def test_workers_are_listed_by_their_ids(client: httpx2.AsyncClient, database: Database) -> None:
    """What they reported, and whether they still do: a lease without a heartbeat makes a worker silent."""
    await report(database, "a:1:0a1b2c", silent_seconds=31)
    await report(database, "b:2:0a1b2c", silent_seconds=10, busy=3)
    silent, alive = (await client.get(PATH)).json()["items"]
    assert (silent["id"], silent["liveness"]) == ("a:1:0a1b2c", "silent")
    assert silent["beat_age_seconds"] == pytest.approx(31, abs=5)
    assert (alive["id"], alive["liveness"], alive["state"], alive["ordered"]) == (
        "b:2:0a1b2c",
        "alive",
        "running",
        None,
    )
    assert (alive["slots"], alive["busy"], alive["loop_lag_ms"]) == (100, 3, 250.0)
    assert (alive["queues"], alive["lease_seconds"]) == (["notify"], 30.0)
    assert alive["rss_bytes"] > 1e6


async def test_a_long_list_comes_in_pages(client: httpx2.AsyncClient, database: Database) -> None:
    """The cursor leads on from the last one shown."""
    for number in range(5):
        await report(database, f"host:{number}:0a1b2c")
    seen: list[str] = []
    following: str | None = None
    while True:
        query = {"limit": 2} | ({"cursor": following} if following else {})
        page = (await client.get(PATH, params=query)).json()
        assert len(page["items"]) <= 2
        seen += [worker["id"] for worker in page["items"]]
        following = page["next_cursor"]
        if following is None:
            break
    assert seen == [f"host:{number}:0a1b2c" for number in range(5)]


async def test_a_worker_is_shown_with_its_jobs(client: httpx2.AsyncClient, database: Database) -> None:
    """Those whose lease it has, not those of others."""
    mine, other = new_job(), new_job()
    await report(database, "a:1:0a1b2c")
    async with database.transaction() as work:
        await JobStore(work).insert([mine, other], now=utc_now())
        for job, owner in ((mine, "a:1:0a1b2c"), (other, "b:2:0a1b2c")):
            ring = Ring(job.job_id, 1, QUEUE_OF[job.kind])
            await LeaseStore(work).claim_queued([(ring, job.job_id)], owner=owner, lease=THIRTY_SECONDS)
    shown = (await client.get(f"{PATH}/a:1:0a1b2c")).json()
    (held,) = shown["jobs"]
    assert (held["id"], held["attempt"], held["cancel_requested"]) == (str(mine.job_id), 1, False)
    assert held["lease_expires_at"] > held["started_at"]


async def test_a_worker_is_ordered_to_be_quiet_and_to_go_on(client: httpx2.AsyncClient, database: Database) -> None:
    """The order stands in its row until it is taken back; it hears of it with its next report."""
    await report(database, "a:1:0a1b2c")
    for _ in range(2):
        ordered = await client.post(f"{PATH}/a:1:0a1b2c:quiet")
        assert (ordered.status_code, ordered.json()["ordered"], ordered.json()["state"]) == (202, "quiet", "running")
    await report(database, "a:1:0a1b2c")
    assert (await client.get(f"{PATH}/a:1:0a1b2c")).json()["ordered"] == "quiet"
    resumed = await client.post(f"{PATH}/a:1:0a1b2c:resume")
    assert (resumed.status_code, resumed.json()["ordered"]) == (202, None)


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", ":quiet"), ("POST", ":resume")])
async def test_an_unknown_worker_is_not_found(client: httpx2.AsyncClient, method: str, suffix: str) -> None:
    """404, whoever it was."""
    answer = await client.request(method, f"{PATH}/gone:1:0a1b2c{suffix}")
    assert (answer.status_code, answer.json()["title"]) == (404, "There is no such thing")


async def test_an_id_that_cannot_be_is_refused(client: httpx2.AsyncClient) -> None:
    """404, and the database is not asked."""
    assert (await client.get(f"{PATH}/a%00b:1:0a1b2c")).status_code == 404


async def test_only_an_admin_orders(app: ASGIApp, make_key: MakeKey, database: Database) -> None:
    """Who may submit may look, and no more."""
    await report(database, "a:1:0a1b2c")
    headers = {"Authorization": f"Bearer {await make_key(Scope.SUBMIT)}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client:
        assert (await client.get(PATH)).status_code == 200
        for verb in ("quiet", "resume"):
            refused = await client.post(f"{PATH}/a:1:0a1b2c:{verb}")
            assert (refused.status_code, refused.json()["scope_needed"]) == (403, "admin")


async def test_a_quiet_and_a_stopping_worker_say_so(client: httpx2.AsyncClient, database: Database) -> None:
    """The state is the worker's own, the order is its people's."""
    vitals = Vitals("a:1:0a1b2c")
    for state in WorkerState:
        vitals.state = state
        async with database.transaction() as work:
            await WorkerStore(work).report(vitals.report(busy=0, lag_seconds=0, lease_seconds=30))
        assert (await client.get(f"{PATH}/a:1:0a1b2c")).json()["state"] == state.value

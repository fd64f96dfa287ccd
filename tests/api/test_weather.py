"""Servers that are away while jobs are submitted: refused, or kept; never accepted and lost."""

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeServices, OpenClient

from api.services import ApiServices
from shared.broker import connect_redis
from shared.clock import utc_now
from shared.events import JobEvents, Orders
from shared.live_events import LiveEvents
from shared.services.job.announcer import Announcer
from shared.services.job.job_control import JobControl
from shared.services.job.job_submission import JobSubmission
from shared.storage.database import Database, create_engine
from shared.task_queue import Doorbell, TaskQueue

JOB = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/app.log"}]}
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}


class TestWithoutDatabase:
    """PostgreSQL is away."""

    @pytest.fixture
    async def away(self, make_services: MakeServices, open_client: OpenClient) -> httpx2.AsyncClient:
        database = Database(create_engine("postgresql://t@127.0.0.1:1/t", pool_size=2, name="tests"))
        redis = connect_redis("redis://127.0.0.1:1/0")
        doorbell = Doorbell(TaskQueue(redis))
        submission = JobSubmission(database, doorbell, clock=utc_now, max_pending=100)
        control = JobControl(database, Announcer(doorbell, JobEvents(redis), LiveEvents(redis)), Orders(redis))
        services = make_services(database=database, submission=submission, control=control)
        async with open_client(services, headers=HEADERS) as client:
            yield client
        await database.close()
        await redis.aclose()

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/api/v1/jobs", JOB),
            ("POST", "/api/v1/jobs:batch", {"jobs": [JOB]}),
            ("POST", "/api/v1/jobs/00000000-0000-7000-8000-000000000000/cancel", None),
            ("GET", "/api/v1/jobs/00000000-0000-7000-8000-000000000000", None),
            ("GET", "/api/v1/jobs", None),
            ("GET", "/api/v1/keys", None),
            ("GET", "/api/v1/ping-keys", None),
            ("GET", "/ping/00000000-0000-4000-8000-000000000000", None),
            ("GET", "/ping/abcdefghijklmnopqrstuv/backup", None),
            ("GET", "/api/push/token", None),
        ],
    )
    async def test_everything_is_refused_with_a_time_to_come_back(
        self, away: httpx2.AsyncClient, method: str, path: str, body: object
    ) -> None:
        """503 and Retry-After, from the hot path as from the routes; nothing was taken."""
        response = await away.request(method, path, json=body)
        assert response.status_code == 503
        assert response.json()["type"] == "/problems/storage-unavailable"
        assert int(response.headers["retry-after"]) >= 1

    async def test_keys_that_must_be_looked_up_are_refused_likewise(self, away: httpx2.AsyncClient) -> None:
        """Nobody is told that a good key is wrong because we cannot look."""
        key = "tocsin_read_" + "k" * 43
        assert (await away.get("/api/v1/jobs", headers={"Authorization": f"Bearer {key}"})).status_code == 503

    async def test_wrong_input_is_still_told_as_such(self, away: httpx2.AsyncClient) -> None:
        """Judging needs no database."""
        assert (await away.post("/api/v1/jobs", json={"kind": "x"})).status_code == 422
        assert (await away.post("/api/v1/jobs?validate_only=true", json=JOB)).status_code == 200


class TestWithoutRedis:
    """Redis is away."""

    @pytest.fixture
    async def services(self, make_services: MakeServices, database: Database) -> ApiServices:
        redis = connect_redis("redis://127.0.0.1:1/0")
        doorbell = Doorbell(TaskQueue(redis))
        yield make_services(
            redis=redis,
            events=JobEvents(redis),
            submission=JobSubmission(database, doorbell, clock=utc_now, max_pending=100),
            control=JobControl(database, Announcer(doorbell, JobEvents(redis), LiveEvents(redis)), Orders(redis)),
        )
        await doorbell.drain()
        await redis.aclose()

    async def test_submissions_are_kept(
        self, services: ApiServices, open_client: OpenClient, database: Database
    ) -> None:
        """The row is the memory; it waits for its ring, which upkeep repeats."""
        async with open_client(services, headers=HEADERS) as client:
            response = await client.post("/api/v1/jobs", json=JOB)
            batch = await client.post("/api/v1/jobs:batch", json={"jobs": [JOB, JOB]})
        assert (response.status_code, batch.status_code) == (202, 202)
        async with database.transaction() as work:
            rows = await work.fetch("select state, dispatched_at from jobs")
        assert [(row.state, row.dispatched_at) for row in rows] == [("queued", None)] * 3

    async def test_jobs_are_found_and_cancelled(self, services: ApiServices, open_client: OpenClient) -> None:
        """Polls and cancels need the database only."""
        async with open_client(services, headers=HEADERS) as client:
            location = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
            assert (await client.get(location)).json()["state"] == "queued"
            assert (await client.post(f"{location}/cancel")).status_code == 200
            assert (await client.get(location)).json()["state"] == "cancelled"

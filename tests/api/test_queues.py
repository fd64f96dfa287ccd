"""Queues over HTTP: looked at, steered, and full."""

from datetime import timedelta

import httpx2
import pytest
from api_client import MakeKey, MakeServices, OpenClient
from job_bench import new_job

from api.schemas.queues import QueueList, QueueView, ScalingView
from api.services import ApiServices
from shared.clock import utc_now
from shared.domain.access import Scope
from shared.storage.database import Database
from shared.storage.job.job_store import JobStore

NOTIFY = "/api/v1/queues/notify"
JOB = {
    "kind": "notify",
    "channel": {"kind": "webhook", "url": "https://hooks.example/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "message": {"title": "t", "text": "x"},
}


async def fill(database: Database, count: int) -> None:
    async with database.transaction() as work:
        await JobStore(work).insert([new_job() for _ in range(count)], now=utc_now())


async def test_all_queues_are_listed(client: httpx2.AsyncClient, database: Database) -> None:
    """Each kind of job has one, with what waits in it and when it will be empty."""
    await fill(database, 3)
    listed = QueueList.model_validate((await client.get("/api/v1/queues")).json(), strict=False)
    assert [(queue.queue, queue.waiting) for queue in listed.items] == [
        ("collect", 0),
        ("notify", 3),
        ("requeue", 0),
        ("round", 0),
    ]
    assert [queue.forecast.reason for queue in listed.items] == ["empty", "no_workers", "empty", "empty"]


async def test_a_queue_is_paused_and_resumed(client: httpx2.AsyncClient) -> None:
    """With who did it and why; resuming ends it."""
    paused = await client.post(f"{NOTIFY}:pause", json={"reason": "upgrade"})
    seen = QueueView.model_validate(paused.json(), strict=False)
    assert (paused.status_code, seen.reason, seen.draining_at) == (200, "upgrade", None)
    assert seen.paused_at is not None
    assert seen.changed_by is not None
    assert (await client.get(NOTIFY)).json()["paused_at"] == paused.json()["paused_at"]
    resumed = (await client.post(f"{NOTIFY}:resume")).json()
    assert (resumed["paused_at"], resumed["reason"]) == (None, None)


async def test_a_full_queue_refuses_and_says_when_to_ask_again(
    client: httpx2.AsyncClient, services: ApiServices, database: Database
) -> None:
    """503 with Retry-After, for one job and for a batch; other queues are open, and the limit can be raised."""
    assert (await client.put(NOTIFY, json={"admission_limit": 2})).json()["admission_limit"] == 2
    await fill(database, 2)
    await services.queues.measure()
    refused = await client.post("/api/v1/jobs", json=JOB)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/queue-full")
    assert (refused.headers["retry-after"], refused.json()["queue"]) == ("60", "notify")
    assert (await client.post("/api/v1/jobs:batch", json={"jobs": [JOB]})).status_code == 503
    assert (await client.post("/api/v1/jobs?validate_only=true", json=JOB)).status_code == 200
    await client.put(NOTIFY, json={"admission_limit": None})
    await services.queues.measure()
    assert (await client.post("/api/v1/jobs", json=JOB)).status_code == 202


async def test_a_draining_queue_refuses(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """503 until it is resumed."""
    assert (await client.post(f"{NOTIFY}:drain", json={})).json()["draining_at"] is not None
    refused = await client.post("/api/v1/jobs", json=JOB)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/queue-draining")
    assert int(refused.headers["retry-after"]) >= 1
    await client.post(f"{NOTIFY}:resume")
    assert (await client.post("/api/v1/jobs", json=JOB)).status_code == 202


async def test_an_autoscaler_reads_how_many_workers_are_needed(client: httpx2.AsyncClient, database: Database) -> None:
    """With the reason, what limits the queue, and what more workers would change."""
    await fill(database, 3)
    seen = ScalingView.model_validate((await client.get(f"{NOTIFY}/scaling")).json(), strict=False)
    assert (seen.desired_workers, seen.desired_slots, seen.backlog) == (1, 3, 3)
    assert (seen.reason, seen.limited_by) == ("unmeasured", "workers")
    await client.post(f"{NOTIFY}:pause")
    paused = ScalingView.model_validate((await client.get(f"{NOTIFY}/scaling")).json(), strict=False)
    assert (paused.desired_workers, paused.limited_by) == (0, "paused")


@pytest.mark.parametrize("method", ["put", "post"])
async def test_only_admins_steer_queues(
    method: str, make_services: MakeServices, open_client: OpenClient, make_key: MakeKey
) -> None:
    """A key that submits may look, and no more."""
    key = await make_key(Scope.SUBMIT)
    async with open_client(make_services(), headers={"Authorization": f"Bearer {key}"}) as client:
        assert (await client.get(NOTIFY)).status_code == 200
        path = NOTIFY if method == "put" else f"{NOTIFY}:pause"
        assert (await client.request(method.upper(), path, json={"admission_limit": 1})).status_code == 403


@pytest.mark.parametrize("body", [{}, {"admission_limit": 0}, {"admission_limit": "9"}, {"admission_limit": 1, "x": 2}])
async def test_a_wrong_limit_is_refused(client: httpx2.AsyncClient, body: dict[str, object]) -> None:
    """422, and nothing is set."""
    assert (await client.put(NOTIFY, json=body)).status_code == 422
    assert (await client.get(NOTIFY)).json()["admission_limit"] == 1_000_000


async def test_there_are_no_other_queues(client: httpx2.AsyncClient) -> None:
    """The answer names those there are."""
    answer = await client.get("/api/v1/queues/mail")
    assert answer.status_code == 422
    assert "'notify'" in answer.json()["errors"][0]["detail"]


async def test_the_oldest_job_is_as_old_as_it_has_waited(client: httpx2.AsyncClient, database: Database) -> None:
    """Age tells of a stuck queue what depth does not."""
    async with database.transaction() as work:
        await JobStore(work).insert([new_job(run_at=utc_now() - timedelta(minutes=5))], now=utc_now())
    assert 300 <= (await client.get(NOTIFY)).json()["oldest_waiting_seconds"] < 400

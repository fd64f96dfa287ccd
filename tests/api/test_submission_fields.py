"""What a submission may ask for beside its work: a rank, a deadline, a unique key, a limit, a parent, a webhook."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from secret_keys import VAULT

from api.schemas.jobs import JobSpecView
from shared.storage.database import Database

COLLECT = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/app.log"}]}
WEBHOOK = {"url": "https://hooks.example/jobs", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


async def submit(client: httpx2.AsyncClient, **fields: object) -> httpx2.Response:
    return await client.post("/api/v1/jobs", json=COLLECT | fields)


async def made(client: httpx2.AsyncClient, **fields: object) -> dict[str, object]:
    response = await submit(client, **fields)
    assert response.status_code == 202, response.text
    return response.json()


async def count(database: Database) -> int:
    async with database.transaction() as work:
        return (await work.fetch("select count(*) as n from jobs"))[0].n


async def test_what_is_asked_for_is_told(client: httpx2.AsyncClient) -> None:
    """By the answer to the submission as by a poll, byte for byte."""
    parent = await made(client)
    response = await submit(
        client, priority=9, expires_in="1h", unique_key="nightly ü", limit_key="shop", parent_id=parent["id"]
    )
    job = response.json()
    polled = await client.get(response.headers["location"])
    assert polled.content == response.content
    assert (job["priority"], job["unique_key"], job["limit_key"]) == (9, "nightly ü", "shop")
    assert job["parent_id"] == parent["id"]
    assert datetime.fromisoformat(job["expires_at"]) - datetime.fromisoformat(job["run_at"]) == timedelta(hours=1)


async def test_what_is_not_asked_for_is_plain(client: httpx2.AsyncClient) -> None:
    """The middle rank, and nothing else."""
    job = await made(client)
    assert job["priority"] == 4
    for name in ("expires_at", "unique_key", "limit_key", "blocked_by", "parent_id", "requeue_of", "progress"):
        assert job[name] is None


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"priority": 10}, "/priority"),
        ({"priority": -1}, "/priority"),
        ({"priority": None}, "/priority"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00Z", "run_at": "2030-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00Z", "expires_in": "1h"}, ""),
        ({"expires_in": "0s"}, "/expires_in"),
        ({"expires_in": "400d"}, "/expires_in"),
        ({"unique_key": ""}, "/unique_key"),
        ({"unique_key": "k" * 201}, "/unique_key"),
        ({"unique_key": "a\nb"}, "/unique_key"),
        ({"limit_key": "\u0085"}, "/limit_key"),
        ({"unique_key": "a", "on_conflict": "replace"}, "/on_conflict"),
        ({"parent_id": "x"}, "/parent_id"),
        ({"parent_id": str(uuid4())}, "/parent_id"),
        ({"webhook": "https://hooks.example"}, "/webhook"),
        ({"webhook": {"url": "ftp://hooks.example"}}, "/webhook/url"),
        ({"webhook": WEBHOOK | {"secret": "whsec_c2hvcnQ="}}, "/webhook/secret"),
        ({"webhook": WEBHOOK | {"event": {}}}, "/webhook/event"),
    ],
)
async def test_what_makes_no_sense_is_refused_at_its_place(
    client: httpx2.AsyncClient, database: Database, fields: dict[str, object], pointer: str
) -> None:
    """422 with a pointer, and nothing is kept."""
    response = await submit(client, **fields)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await count(database) == 0


async def test_nobody_but_tocsin_makes_events(client: httpx2.AsyncClient) -> None:
    """A notification submitted cannot pass for the news of a job's end."""
    notify = {"kind": "notify", "channel": {"kind": "webhook"} | WEBHOOK, "message": {"title": "x"}}
    event = {"type": "job.succeeded", "timestamp": "2030-01-01T00:00:00Z", "data": {}}
    beside = await client.post("/api/v1/jobs", json=notify | {"event": event})
    inside = await client.post("/api/v1/jobs", json=notify | {"message": {"title": "x", "event": event}})
    assert (beside.status_code, inside.status_code) == (422, 422)


async def test_the_webhook_is_kept_and_its_secret_is_not_told(client: httpx2.AsyncClient, database: Database) -> None:
    """The row has it sealed; no answer has it."""
    job = await made(client, webhook=WEBHOOK)
    async with database.transaction() as work:
        (row,) = await work.fetch("select completion from jobs")
    assert list(row.completion) == ["sealed"]
    assert json.loads(VAULT.unseal(row.completion["sealed"])) == WEBHOOK
    for path in ("", "/spec"):
        assert "whsec" not in (await client.get(f"/api/v1/jobs/{job['id']}{path}")).text


async def test_the_notification_of_an_end_can_be_looked_at(client: httpx2.AsyncClient) -> None:
    """A child of the job, whose spec shows the event, and the webhook without its secrets."""
    job = await made(client, webhook=WEBHOOK)
    await client.post(f"/api/v1/jobs/{job['id']}/cancel")
    (child,) = (await client.get("/api/v1/jobs", params={"parent_id": job["id"]})).json()["items"]
    response = await client.get(child["links"]["spec"])
    spec = JobSpecView.model_validate_json(response.content)
    assert (child["kind"], spec.event["type"], spec.event["data"]["id"]) == ("notify", "job.cancelled", job["id"])
    assert spec.channel == {"kind": "webhook", "url": "https://hooks.example/***", "secret": "***"}
    assert "whsec" not in response.text


async def test_the_trace_of_the_request_is_the_jobs(client: httpx2.AsyncClient) -> None:
    """What is no trace context is ignored, as the standard has it."""
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    given = await client.post(
        "/api/v1/jobs", json=COLLECT, headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    )
    broken = await client.post("/api/v1/jobs", json=COLLECT, headers={"traceparent": "00-zz"})
    assert given.json()["traceparent"].split("-")[1] == trace_id
    assert (broken.status_code, broken.json()["traceparent"]) == (202, None)


class TestUniqueKey:
    """`unique_key` and `on_conflict`."""

    async def test_the_holder_is_answered(self, client: httpx2.AsyncClient, database: Database) -> None:
        """200 with its body and tag as a poll has them, its address, and a header that says so."""
        holder = await submit(client, unique_key="nightly")
        again = await submit(client, unique_key="nightly", priority=9)
        assert again.status_code == 200
        assert "tocsin-deduplicated" not in holder.headers
        assert again.headers["tocsin-deduplicated"] == "true"
        for name in ("location", "etag"):
            assert again.headers[name] == holder.headers[name]
        assert again.content == holder.content
        assert await count(database) == 1

    async def test_who_asks_for_it_is_refused(self, client: httpx2.AsyncClient, database: Database) -> None:
        """409 that names the holder."""
        holder = await made(client, unique_key="nightly")
        response = await submit(client, unique_key="nightly", on_conflict="reject")
        assert (response.status_code, response.json()["type"]) == (409, "/problems/unique-key-taken")
        assert response.json()["job"] == f"/api/v1/jobs/{holder['id']}"
        assert await count(database) == 1

    async def test_an_end_frees_the_key(self, client: httpx2.AsyncClient) -> None:
        """Once the holder has ended the next one is made."""
        holder = await made(client, unique_key="nightly")
        await client.post(f"/api/v1/jobs/{holder['id']}/cancel")
        assert (await made(client, unique_key="nightly"))["id"] != holder["id"]

    async def test_a_repeat_of_what_was_deduplicated_is_a_replay(self, client: httpx2.AsyncClient) -> None:
        """The idempotency key stands for the holder then, also after its end."""
        holder = await made(client, unique_key="nightly")
        headers = {"Idempotency-Key": "one"}
        first = await client.post("/api/v1/jobs", json=COLLECT | {"unique_key": "nightly"}, headers=headers)
        await client.post(f"/api/v1/jobs/{holder['id']}/cancel")
        again = await client.post("/api/v1/jobs", json=COLLECT | {"unique_key": "nightly"}, headers=headers)
        assert first.headers["tocsin-deduplicated"] == "true"
        assert again.headers["idempotent-replayed"] == "true"
        assert (again.json()["id"], again.json()["state"]) == (holder["id"], "cancelled")

    async def test_a_refusal_keeps_no_idempotency_key(self, client: httpx2.AsyncClient) -> None:
        """The same request is judged anew once the key is free."""
        holder = await made(client, unique_key="nightly")
        body, headers = {"unique_key": "nightly", "on_conflict": "reject"}, {"Idempotency-Key": "one"}
        refused = await client.post("/api/v1/jobs", json=COLLECT | body, headers=headers)
        await client.post(f"/api/v1/jobs/{holder['id']}/cancel")
        taken = await client.post("/api/v1/jobs", json=COLLECT | body, headers=headers)
        assert (refused.status_code, taken.status_code) == (409, 202)
        assert "idempotent-replayed" not in taken.headers


async def test_a_job_kept_no_longer_is_gone(client: httpx2.AsyncClient) -> None:
    """410 for an id that is older than jobs are kept, 404 for one that could still be there."""
    old = (datetime.now(UTC) - timedelta(days=4000)).timestamp()
    gone = f"{int(old * 1000):012x}"
    path = f"/api/v1/jobs/{gone[:8]}-{gone[8:]}-7000-8000-000000000000"
    response = await client.get(path)
    assert (response.status_code, response.json()["type"]) == (410, "/problems/job-expired")
    assert (await client.get(f"/api/v1/jobs/{uuid4()}")).status_code == 404
    for part in ("spec", "attempts", "samples", "timeline", "children"):
        assert (await client.get(f"{path}/{part}")).status_code == 410
    for verb in (":cancel", ":requeue"):
        assert (await client.post(path + verb)).status_code == 410

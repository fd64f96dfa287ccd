"""Submitting one job."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import orjson
import pytest
from api_client import MakeKey
from redis.asyncio import Redis

from api.services import ApiServices
from shared.domain.access import Scope
from shared.domain.job.jobs import JobState
from shared.domain.job.leases import JobChange
from shared.services.job.job_submission import OverloadedError
from shared.storage.database import Database

TARGET = {"kind": "http", "url": "https://shop.example/health", "timeout": "5s", "labels": {"team": "web"}}
COLLECT = {"kind": "collect", "targets": [TARGET]}
NOTIFY = {
    "kind": "notify",
    "channel": {"kind": "webhook", "url": "https://hooks.example/T0/B1", "secret": "whsec_" + "A" * 32},
    "message": {"title": "shop is down", "text": "503"},
}


async def stored(database: Database, column: str = "spec") -> list[object]:
    """What the jobs table keeps."""
    async with database.transaction() as work:
        return [row[0] for row in await work.fetch(f"select {column} from jobs order by job_id")]


@pytest.mark.parametrize("body", [COLLECT, NOTIFY])
async def test_a_submission_is_accepted_and_kept(
    client: httpx2.AsyncClient, database: Database, body: dict[str, object]
) -> None:
    """202 with the job's address, when to ask again, and the job itself; the row is there."""
    response = await client.post("/api/v1/jobs", json=body)
    job = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/api/v1/jobs/{job['id']}" == job["links"]["self"]
    assert int(response.headers["retry-after"]) >= 1
    assert (job["kind"], job["state"], job["done"], job["attempt"]) == (body["kind"], "queued", False, 0)
    assert await stored(database, "job_id") == [UUID(job["id"])]


async def test_the_answer_is_what_a_poll_answers(client: httpx2.AsyncClient) -> None:
    """Byte for byte and with the same strong entity tag, although the row was not read."""
    response = await client.post("/api/v1/jobs", json=COLLECT | {"labels": {"zone": "b", "a": "ü"}})
    polled = await client.get(response.headers["location"])
    assert polled.content == response.content
    assert polled.headers["etag"] == response.headers["etag"]


async def test_the_spec_is_kept_as_sent(client: httpx2.AsyncClient, database: Database) -> None:
    """Defaults are not frozen into the row."""
    notify = NOTIFY | {"channel": {"kind": "webhook", "url": "https://hooks.example"}}
    await client.post("/api/v1/jobs", json=notify | {"labels": {"a": "b"}, "max_attempts": 4})
    assert await stored(database) == [{"channel": notify["channel"], "message": NOTIFY["message"]}]
    assert await stored(database, "max_attempts") == [4]


@pytest.mark.parametrize("due", [{"delay": "1h"}, {"run_at": "2126-11-21T00:00:00+02:00"}])
async def test_a_job_due_later_is_scheduled(client: httpx2.AsyncClient, due: dict[str, str]) -> None:
    """By a delay or a moment; who polls it is told to come back in a minute at the latest."""
    response = await client.post("/api/v1/jobs", json=COLLECT | due)
    assert response.json()["state"] == "scheduled"
    assert response.headers["retry-after"] == "60"


async def test_a_moment_ahead_is_kept_in_utc(client: httpx2.AsyncClient) -> None:
    """The offset is honoured."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    text = due.astimezone(tz=None).isoformat()
    job = (await client.post("/api/v1/jobs", json=COLLECT | {"run_at": text})).json()
    assert datetime.fromisoformat(job["run_at"]) == due


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "2026-01-01t00:00:00z"])
async def test_what_was_due_is_due_now(client: httpx2.AsyncClient, text: str) -> None:
    """A moment of the past, the earliest there is included, runs at once."""
    job = (await client.post("/api/v1/jobs", json=COLLECT | {"run_at": text})).json()
    assert job["state"] == "queued"


@pytest.mark.parametrize("count", [1, 1000])
async def test_up_to_a_thousand_targets_are_taken(client: httpx2.AsyncClient, count: int) -> None:
    """The bounds themselves are fine."""
    response = await client.post("/api/v1/jobs", json={"kind": "collect", "targets": [TARGET] * count})
    assert response.status_code == 202
    assert len(response.content) < 1100


@pytest.mark.parametrize("count", [0, 1001])
async def test_other_numbers_of_targets_are_refused(client: httpx2.AsyncClient, database: Database, count: int) -> None:
    """0 and 1,001 are not, and nothing is kept."""
    response = await client.post("/api/v1/jobs", json={"kind": "collect", "targets": [TARGET] * count})
    assert response.status_code == 422
    assert await stored(database) == []


async def test_nul_is_refused(client: httpx2.AsyncClient, database: Database) -> None:
    """PostgreSQL could not keep it: 422 instead of a failed insert for everybody in the same commit."""
    body = orjson.dumps({"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/\0"}]})
    response = await client.post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/targets/0/path"
    assert await stored(database) == []


class TestValidateOnly:
    """`?validate_only=true`."""

    async def test_judges_without_making(self, client: httpx2.AsyncClient, database: Database) -> None:
        """200 for what would be taken, and no job."""
        response = await client.post("/api/v1/jobs?validate_only=true", json=COLLECT)
        assert (response.status_code, response.json()) == (200, {"valid": True})
        assert await stored(database) == []

    async def test_refuses_what_would_be_refused(self, client: httpx2.AsyncClient) -> None:
        """422 as without it."""
        assert (await client.post("/api/v1/jobs?validate_only=true", json={"kind": "x"})).status_code == 422

    @pytest.mark.parametrize("query", ["validate_only=maybe", "validate=true", "validate_only=false&x=1"])
    async def test_other_parameters_are_refused(
        self, client: httpx2.AsyncClient, database: Database, query: str
    ) -> None:
        """A misspelt one would make the job that was only to be judged."""
        response = await client.post(f"/api/v1/jobs?{query}", json=COLLECT)
        assert response.status_code == 422
        assert "parameter" in response.json()["errors"][0]
        assert await stored(database) == []


class TestIdempotency:
    """`Idempotency-Key`."""

    async def test_a_repeat_answers_with_the_first_job(self, client: httpx2.AsyncClient, database: Database) -> None:
        """The same status, marked as replayed; spaces and the order of names in the body do not matter."""
        first = await client.post("/api/v1/jobs", json=COLLECT, headers={"Idempotency-Key": '"one"'})
        again = await client.post(
            "/api/v1/jobs",
            content=orjson.dumps(dict(reversed(COLLECT.items())), option=orjson.OPT_INDENT_2),
            headers={"Idempotency-Key": "one", "Content-Type": "application/json"},
        )
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.content == again.content
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert len(await stored(database)) == 1

    async def test_another_body_under_the_key_is_refused(self, client: httpx2.AsyncClient, database: Database) -> None:
        """422 with its own type."""
        headers = {"Idempotency-Key": "one"}
        await client.post("/api/v1/jobs", json=COLLECT, headers=headers)
        response = await client.post("/api/v1/jobs", json=NOTIFY, headers=headers)
        assert response.status_code == 422
        assert response.json()["type"] == "/problems/idempotency-key-reused"
        assert len(await stored(database)) == 1

    async def test_a_key_belongs_to_its_principal(
        self, client: httpx2.AsyncClient, make_key: MakeKey, database: Database
    ) -> None:
        """Another principal's key of the same name is another key: nothing is replayed to strangers."""
        mine = await client.post("/api/v1/jobs", json=COLLECT, headers={"Idempotency-Key": "one"})
        theirs = await client.post(
            "/api/v1/jobs",
            json=COLLECT,
            headers={"Idempotency-Key": "one", "Authorization": f"Bearer {await make_key(Scope.SUBMIT)}"},
        )
        assert mine.json()["id"] != theirs.json()["id"]
        assert "idempotent-replayed" not in theirs.headers
        assert len(await stored(database)) == 2

    async def test_repeats_at_once_make_one_job(self, client: httpx2.AsyncClient, database: Database) -> None:
        """Twenty at the same time: one is first, the others are replays, none is refused."""
        responses = await asyncio.gather(
            *(client.post("/api/v1/jobs", json=COLLECT, headers={"Idempotency-Key": "one"}) for _ in range(20))
        )
        assert {response.status_code for response in responses} == {202}
        assert len({response.json()["id"] for response in responses}) == 1
        assert sum("idempotent-replayed" in response.headers for response in responses) == 19
        assert len(await stored(database)) == 1

    @pytest.mark.parametrize("key", ["", "k" * 256, "two words"])
    async def test_a_malformed_key_is_refused(self, client: httpx2.AsyncClient, database: Database, key: str) -> None:
        """400, and nothing is made that could be made twice."""
        response = await client.post("/api/v1/jobs", json=COLLECT, headers={"Idempotency-Key": key})
        assert response.status_code == 400
        assert await stored(database) == []


async def test_a_full_buffer_says_when_to_come_back(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After."""

    async def full(submission: object) -> None:
        raise OverloadedError(retry_after_seconds=7)

    monkeypatch.setattr(services.context.submission, "submit", full)
    response = await client.post("/api/v1/jobs", json=COLLECT)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "7"
    assert response.json()["type"] == "/problems/overloaded"


class TestPrefer:
    """`Prefer: wait` on a submission."""

    async def test_a_wait_that_ends_early_answers_200(
        self,
        client: httpx2.AsyncClient,
        services: ApiServices,
        database: Database,
        listening: None,
        someone_waits: asyncio.Event,
    ) -> None:
        """The job ended within the time: the answer is its end."""
        waiting = asyncio.create_task(client.post("/api/v1/jobs", json=COLLECT, headers={"Prefer": "wait=20"}))
        await someone_waits.wait()
        async with database.transaction() as work:
            rows = await work.fetch(
                "update jobs set state = 'cancelled', finished_at = now(), version = version + 1 returning job_id"
            )
        change = JobChange(job_id=rows[0].job_id, version=2, state=JobState.CANCELLED)
        await services.context.events.publish([change])
        async with asyncio.timeout(10):
            response = await waiting
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
        assert response.headers["preference-applied"] == "wait=20"

    async def test_a_wait_that_is_over_answers_202(self, client: httpx2.AsyncClient) -> None:
        """Still 202, with the preference that was applied."""
        response = await client.post("/api/v1/jobs", json=COLLECT, headers={"Prefer": "respond-async, wait=0"})
        assert response.status_code == 202
        assert response.headers["preference-applied"] == "respond-async, wait=0"

    async def test_respond_async_is_what_happens_anyway(self, client: httpx2.AsyncClient) -> None:
        """It is confirmed."""
        response = await client.post("/api/v1/jobs", json=COLLECT, headers={"Prefer": "respond-async"})
        assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")


async def test_submissions_are_counted(client: httpx2.AsyncClient, redis: Redis) -> None:
    """By kind and by what became of them."""
    for headers in ({"Idempotency-Key": "one"}, {"Idempotency-Key": "one"}):
        await client.post("/api/v1/jobs", json=COLLECT, headers=headers)
    metrics = (await client.get("/metrics")).text
    assert 'tocsin_submissions_total{kind="collect",outcome="accepted"} 1.0' in metrics
    assert 'tocsin_submissions_total{kind="collect",outcome="replayed"} 1.0' in metrics

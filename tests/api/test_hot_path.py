"""The hot path answers exactly what the route answers."""

import asyncio
from typing import Any

import httpx2
import pytest
from api_client import ADMIN_KEY, BASE_URL, MakeServices, OpenClient
from planting import plant
from starlette.types import ASGIApp

from api.access_log import AccessLog
from api.app import make_framework
from api.front import Front
from api.gate import Gate
from api.services import ApiServices
from shared.storage.database import Database

JOB = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/app.log"}], "labels": {"b": "1", "a": "ü"}}
STATES = [
    "state = 'queued'",
    "state = 'scheduled', run_at = now() + interval '1 hour'",
    "state = 'running', lease_token = gen_random_uuid(), started_at = now()",
    "state = 'succeeded', finished_at = now(), result = '{\"up\": 1}'",
    'state = \'failed\', finished_at = now(), error = \'{"code": "a", "message": "b"}\'',
]


@pytest.fixture
async def cold(services: ApiServices, access_log: AccessLog) -> httpx2.AsyncClient:
    """A client of the same application without its hot path."""
    gate = Gate(services.authentication, max_body_bytes=10_000, is_metrics_open=True)
    app: ASGIApp = Front(
        make_framework(services, access_log),
        gate,
        metrics=services.metrics,
        access_log=access_log,
        max_body_bytes=10_000,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE_URL) as client:
        yield client


def comparable(response: httpx2.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body, without what belongs to the single request."""
    own_id = response.headers["x-request-id"]
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "x-request-id"]
    return response.status_code, headers, response.content.replace(own_id.encode(), b"")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"If-None-Match": "current"},
        {"If-None-Match": '"other", W/"x"'},
        {"If-None-Match": "*"},
        {"Prefer": "wait=0"},
        {"Prefer": "wait=0", "If-None-Match": "current"},
        {"X-API-Key": "wrong"},
    ],
)
async def test_hot_and_cold_answers_are_equal(
    client: httpx2.AsyncClient, cold: httpx2.AsyncClient, database: Database, state: str, headers: dict[str, str]
) -> None:
    """Byte for byte, headers in their order."""
    location = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
    await plant(database, f"update jobs set {state}, version = 2")
    sent = {"X-API-Key": ADMIN_KEY} | headers
    if sent.get("If-None-Match") == "current":
        sent["If-None-Match"] = f'"{location[-36:]}-2"'
    client.headers.pop("authorization")
    assert comparable(await client.get(location, headers=sent)) == comparable(await cold.get(location, headers=sent))


SUBMISSIONS: list[tuple[bytes, dict[str, str], str]] = [
    (b"{", {}, ""),
    (b"[]", {}, ""),
    (b'{"kind": "collect", "targets": []}', {}, ""),
    (b'{"kind": "teapot"}', {}, ""),
    (b"x" * 10_001, {}, ""),
    (b'{"kind": "collect", "targets": [{"kind": "file", "path": "/a"}]}', {}, "?validate_only=true"),
    (b'{"kind": "collect", "targets": [{"kind": "file", "path": "/a"}]}', {}, "?colour=blue"),
    (b'{"kind": "collect", "targets": [{"kind": "file", "path": "/a"}]}', {"Content-Type": "text/plain"}, ""),
    (b'{"kind": "collect", "targets": [{"kind": "file", "path": "/a"}]}', {"X-API-Key": "wrong"}, ""),
    (b'{"kind": "collect", "targets": [{"kind": "file", "path": "/a"}]}', {"Idempotency-Key": '"twice'}, ""),
]


@pytest.mark.parametrize(("body", "headers", "query"), SUBMISSIONS)
async def test_hot_and_cold_refuse_alike(
    open_client: OpenClient,
    make_services: MakeServices,
    cold: httpx2.AsyncClient,
    body: bytes,
    headers: dict[str, str],
    query: str,
) -> None:
    """What a submission is refused for, and how, byte for byte."""
    sent = {"X-API-Key": ADMIN_KEY, "Content-Type": "application/json"} | headers
    async with open_client(make_services({"max_body_bytes": 10_000})) as hot:
        hot.headers.pop("authorization", None)
        answers = [await each.post(f"/api/v1/jobs{query}", content=body, headers=sent) for each in (hot, cold)]
    assert comparable(answers[0]) == comparable(answers[1])


async def test_hot_and_cold_submissions_are_one(client: httpx2.AsyncClient, cold: httpx2.AsyncClient) -> None:
    """A key used on one path is replayed on the other, and what they answer has the same shape."""
    sent = {"X-API-Key": ADMIN_KEY, "Idempotency-Key": '"one"'}
    client.headers.pop("authorization")
    first = await client.post("/api/v1/jobs", json=JOB, headers=sent)
    again = await cold.post("/api/v1/jobs", json=JOB, headers=sent)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotent-replayed"] == "true"
    assert first.content == again.content
    names = [name for name in again.headers if name != "idempotent-replayed"]
    assert list(first.headers) == names


@pytest.mark.parametrize(
    ("job_id", "status"),
    [("00000000-0000-4000-8000-000000000000", 404), ("00000000-0000-7000-8000-000000000000", 410)],
)
async def test_an_unknown_job_is_equally_unknown(
    client: httpx2.AsyncClient, cold: httpx2.AsyncClient, job_id: str, status: int
) -> None:
    """The problem too, whether there never was such a job or it may have been removed."""
    path = f"/api/v1/jobs/{job_id}"
    warm = await client.get(path)
    assert warm.status_code == status
    assert comparable(warm) == comparable(await cold.get(path, headers={"X-API-Key": ADMIN_KEY}))


async def test_both_paths_are_counted_as_one_route(
    client: httpx2.AsyncClient, cold: httpx2.AsyncClient, services: ApiServices
) -> None:
    """The label is the route's template, never a path."""
    location = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
    await client.get(location)
    await cold.get(location, headers={"X-API-Key": ADMIN_KEY})
    metrics = (await client.get("/metrics")).text
    assert 'tocsin_http_request_seconds_count{method="GET",route="/api/v1/jobs/{job_id}",status="200"} 2.0' in metrics
    assert location[-36:] not in metrics


async def test_polls_at_once_share_a_query(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a poll right after asks none."""
    location = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
    queries: list[Any] = []
    fetch = services.reading._loader._fetch

    async def counted(job_ids: Any) -> Any:
        queries.append(job_ids)
        return await fetch(job_ids)

    monkeypatch.setattr(services.reading._loader, "_fetch", counted)
    await asyncio.gather(*(client.get(location) for _ in range(50)))
    assert len(queries) == 1
    await client.get(location)
    assert len(queries) == 1

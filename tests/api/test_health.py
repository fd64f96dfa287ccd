"""Liveness, readiness and metrics."""

import httpx2
import pytest
from api_client import MakeServices, OpenClient
from redis.asyncio import Redis

from api.services import ApiServices
from shared.storage.database import Database, create_engine

NOWHERE = "postgresql://tocsin@127.0.0.1:1/tocsin"


@pytest.fixture
def redis_away() -> Redis:
    """A client of a server that is not there."""
    return Redis.from_url("redis://127.0.0.1:1/0")


async def test_a_living_process_says_so(client: httpx2.AsyncClient) -> None:
    """200, never cached."""
    response = await client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response.headers["cache-control"] == "no-store"


async def test_ready_is_when_both_servers_answer(client: httpx2.AsyncClient) -> None:
    """And the schema is the one this program needs."""
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "database": "ok", "redis": "ok"})


async def test_without_redis_it_is_degraded_but_ready(
    make_services: MakeServices, open_client: OpenClient, redis_away: Redis
) -> None:
    """Submissions are kept: the row is the memory."""
    async with open_client(make_services(redis=redis_away)) as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"], response.json()["redis"]) == (200, "degraded", "away")


async def test_without_the_database_it_is_not_ready(make_services: MakeServices, open_client: OpenClient) -> None:
    """503 with Retry-After; alive all the same."""
    away = Database(create_engine(NOWHERE, pool_size=2, name="tests"))
    async with open_client(make_services(database=away)) as client:
        response = await client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert (await client.get("/livez")).status_code == 200
    await away.close()


async def test_with_an_old_schema_it_is_not_ready(
    make_services: MakeServices, open_client: OpenClient, fresh_database_url: str
) -> None:
    """503 that names the command to mend it."""
    old = Database(create_engine(fresh_database_url, pool_size=2, name="tests"))
    async with old.transaction() as work:
        await work.run("update alembic_version set version_num = '0001'")
    async with open_client(make_services(database=old)) as client:
        response = await client.get("/readyz")
    await old.close()
    assert response.status_code == 503
    assert "tocsin migrate" in response.json()["database"]


async def test_a_stopping_process_is_not_ready(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """A balancer sends it nothing new."""
    services.waiting.close()
    assert (await client.get("/readyz")).status_code == 503


async def test_probes_at_once_ask_the_servers_once(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness is open to all, so that it must cost nothing to ask often."""
    asked = 0
    ask = services.readiness._ask

    async def counted() -> object:
        nonlocal asked
        asked += 1
        return await ask()

    monkeypatch.setattr(services.readiness, "_ask", counted)
    for _ in range(20):
        assert (await client.get("/readyz")).status_code == 200
    assert asked == 1


async def test_metrics_show_what_waits(client: httpx2.AsyncClient) -> None:
    """Jobs by queue and state, waiters, and what Python says of itself."""
    job = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/x"}]}
    for fields in ({}, {}, {"delay": "1h"}):
        await client.post("/api/v1/jobs", json=job | fields)
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert 'tocsin_jobs{queue="collect",state="queued"} 2.0' in response.text
    assert 'tocsin_jobs{queue="collect",state="scheduled"} 1.0' in response.text
    assert 'tocsin_jobs_blocked{queue="collect",reason="paused"} 0.0' in response.text
    assert 'tocsin_queue_oldest_seconds{queue="notify"} 0.0' in response.text
    assert "tocsin_waiters 0.0" in response.text
    assert "process_resident_memory_bytes" in response.text


async def test_metrics_come_in_openmetrics_for_who_asks(client: httpx2.AsyncClient) -> None:
    """As Prometheus negotiates it."""
    accept = "application/openmetrics-text; version=1.0.0"
    response = await client.get("/metrics", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.rstrip().endswith("# EOF")


async def test_metrics_answer_without_the_database(make_services: MakeServices, open_client: OpenClient) -> None:
    """What is not known is absent; a made-up zero would look like an empty queue."""
    away = Database(create_engine(NOWHERE, pool_size=2, name="tests"))
    async with open_client(make_services(database=away)) as client:
        response = await client.get("/metrics")
    await away.close()
    assert response.status_code == 200
    assert "tocsin_jobs{" not in response.text


async def test_labels_never_come_from_a_path(client: httpx2.AsyncClient) -> None:
    """A scan of random paths and methods makes no new series."""
    for number in range(5):
        await client.get(f"/random/{number}")
        await client.request(f"SCAN{number}", "/livez")
    text = (await client.get("/metrics")).text
    assert "random" not in text
    assert "SCAN" not in text
    assert 'method="GET",route="unmatched",status="404"} 5.0' in text

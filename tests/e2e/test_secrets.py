"""No secret is found but in the request that needs it: not in tables, Redis, logs, traces, reports or answers."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import asyncpg
import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import api_process
from http_servers import Seen, answer, serve
from redis.asyncio import Redis
from telemetry_receivers import otlp_receiver, sentry_receiver
from tocsin_processes import logged_worker

from shared.tasks import end_tasks

CANARY = "c4nary"
"""Part of every secret; nothing but the site may meet it."""
PATIENCE_SECONDS = 90


class Echo:
    """A site that takes a request, or refuses it and repeats all that it was sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, seen: Seen, writer: "asyncio.StreamWriter") -> None:
        sent = f"{seen.path} {json.dumps(seen.headers)} {seen.body.decode()}"
        self.heard.append(sent)
        status = "200 OK" if "/well" in seen.path else "500 Oh"
        writer.write(answer(json.dumps({"said": sent}).encode(), status=status, headers={"Connection": "close"}))
        await writer.drain()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, Echo]]:
    """Where the site is, and what it heard."""
    site = Echo()
    async with serve(site) as server:
        yield server.url(""), site


def targets_of(site: str, database: str) -> list[dict[str, Any]]:
    """Targets with a secret of each kind, read well and in vain."""
    place = site.removeprefix("http://")
    common = {"conditions": ["[STATUS] == 200", "[BODY].said == no"], "timeout": "5s"}
    return [
        {"kind": "http", "url": f"{site}/well", "headers": {"Authorization": f"Bearer {CANARY}-header"}},
        {"kind": "http", "url": f"{site}/ill", "headers": {"X-Api-Key": f"{CANARY}-header2"}, **common},
        {"kind": "http", "url": f"http://u:{CANARY}-user@{place}/ill?token={CANARY}-query", **common},
        {"kind": "http", "url": f"{site}/ill", "method": "POST", "body": f"{CANARY}-body", **common},
        {"kind": "http", "url": f"{site}/ill/{{{{secret:PATH}}}}?q={{{{secret:PATH}}}}", **common},
        {"kind": "http", "url": f"{site}/well", "headers": {"Authorization": "Bearer {{secret:TOKEN}}"}},
        {"kind": "http", "url": "http://127.0.0.1:1/", "headers": {"Authorization": f"{CANARY}-refused"}},
        {"kind": "database", "dsn": f"postgresql://u:{CANARY}-dsn@127.0.0.1:1/shop"},
        {"kind": "database", "dsn": database, "query": "select no_such_column"},
        {"kind": "database", "dsn": "postgresql://u:{{secret:DB}}@127.0.0.1:1/shop"},
    ]


def notifications_of(site: str) -> list[dict[str, Any]]:
    """Channels with a secret of each kind; some take what they are told, some never do."""
    key = "whsec_" + base64.b64encode(f"{CANARY}-signing-key-of-enough-bytes".encode()).decode()
    mail = {"kind": "email", "to": ["a@b.example"], "smtp_url": f"smtp://u:{CANARY}-smtp@127.0.0.1:1"}
    channels: list[dict[str, Any]] = [
        {"kind": "webhook", "url": f"{site}/well/{CANARY}-hook", "secret": key},
        {"kind": "webhook", "url": f"{site}/ill/{CANARY}-hook?sig={CANARY}-sig"},
        mail,
    ]
    return [
        {"kind": "notify", "channel": channel, "message": {"title": "hello"}, "max_attempts": 1} for channel in channels
    ]


async def exercise(api: httpx2.AsyncClient, site: str, database: str) -> None:
    """Submit a secret of each kind in every way there is, and wait for the ends."""
    for name in ("PATH", "TOKEN", "DB"):
        assert (await api.put(f"/api/v1/secrets/{name}", json={"value": f"{CANARY}-{name}"})).status_code == 201
    targets = targets_of(site, database)
    webhook = {"url": f"{site}/well/{CANARY}-end"}
    jobs = [{"kind": "collect", "targets": targets, "webhook": webhook}, *notifications_of(site)]
    answers = await asyncio.gather(*(api.post("/api/v1/jobs", json=job) for job in jobs))
    assert [each.status_code for each in answers] == [200] * len(jobs), [each.text for each in answers]
    assert CANARY not in str([each.text for each in answers])
    await api.post(f"/api/v1/jobs/{answers[2].json()['id']}/requeue")
    monitors = [{"name": f"m{number}", "target": target, "interval": "1h"} for number, target in enumerate(targets)]
    await asyncio.gather(*(try_monitor(api, monitor) for monitor in monitors))
    invalid = {"kind": "collect", "targets": [{"kind": "http", "url": f"{CANARY}", "headers": {"a": [CANARY]}}]}
    refused = await api.post("/api/v1/jobs", json=invalid)
    assert refused.status_code == 422
    assert CANARY not in refused.text


async def try_monitor(api: httpx2.AsyncClient, monitor: dict[str, Any]) -> None:
    """Make a monitor, look at it, and look at one like it without making it."""
    made = await api.post("/api/v1/monitors", json=monitor)
    assert made.status_code == 201, made.text
    run, tried = await asyncio.gather(
        api.post(f"/api/v1/monitors/{made.json()['id']}:run"), api.post("/api/v1/monitors:test", json=monitor)
    )
    assert (run.status_code, tried.status_code) == (200, 200), run.text + tried.text
    assert CANARY not in made.text + run.text + tried.text


async def answers_of(api: httpx2.AsyncClient) -> str:
    """Whatever the API has to tell of it all."""
    paths = ["errors", "stats?by=target", "secrets", "monitors", "overview", "jobs?limit=200", "workers", "queues"]
    texts = [(await api.get(f"/api/v1/{path}")).text for path in paths]
    jobs = (await api.get("/api/v1/jobs?limit=200")).json()["items"]
    monitors = (await api.get("/api/v1/monitors?limit=200")).json()["items"]
    parts = [f"jobs/{job['id']}/{part}" for job in jobs for part in ("spec", "attempts", "samples", "timeline")]
    parts += [f"monitors/{monitor['id']}{part}" for monitor in monitors for part in ("", "/samples", "/stats")]
    texts += [(await api.get(f"/api/v1/{part}")).text for part in parts]
    return "\n".join(texts)


async def tables_of(database_url: str) -> dict[str, str]:
    """Every row of every table as text, bytes too as what they say."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        names = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        await connection.execute("set bytea_output = 'escape'")
        return {
            name: "\n".join(row[0] for row in await connection.fetch(f'select t::text from "{name}" t'))
            for (name,) in names
        }
    finally:
        await connection.close()


async def redis_of(redis: Redis) -> str:
    """Every key with its value, as the server itself writes them down."""
    return "\n".join([f"{key!r} {await redis.dump(key)!r}" async for key in redis.scan_iter()])


@asynccontextmanager
async def commands_of(redis: Redis) -> AsyncIterator[list[str]]:
    """Every command that Redis is given meanwhile, as `MONITOR` tells of it."""
    commands: list[str] = []

    async def note() -> None:
        async for command in watched.listen():
            commands.append(str(command))  # noqa: PERF401 - it is looked at while it grows

    async with redis.monitor() as watched:
        noting = asyncio.create_task(note())
        yield commands
        await end_tasks([noting])


async def test_a_secret_is_told_to_its_target_and_to_nobody_else(
    fresh_database_url: str, redis_url: str, redis: Redis, echo: tuple[str, Echo]
) -> None:
    """Secrets of each kind, sent well and in vain, by jobs, monitors and notifications."""
    site, heard = echo
    async with otlp_receiver() as spans, sentry_receiver() as reports, commands_of(redis) as commands:
        own = {"database_url": fresh_database_url, "redis_url": redis_url, "log_level": "debug"}
        own |= {"otlp_endpoint": spans.url, "sentry_dsn": reports.url}
        with api_process(**own, admin_key=ADMIN_KEY) as api, logged_worker(**own, webhook_egress="any") as worker:
            api.wait_until_listening()
            headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Prefer": "wait=30"}
            async with httpx2.AsyncClient(base_url=api.url, headers=headers, timeout=60) as client:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await exercise(client, site, fresh_database_url)
                told = await answers_of(client)
            places = await tables_of(fresh_database_url)
            places |= {"redis": await redis_of(redis), "answers": told}
            assert await asyncio.to_thread(worker.stop) == 0
            places["logs"] = api.log + worker.log_path.read_text()
        await spans.until(bool)
    places |= {"commands": "\n".join(commands), "spans": str(spans.raw), "reports": str(reports.raw)}
    assert {place: _around(text) for place, text in places.items() if CANARY in text} == {}
    sent = "\n".join(heard.heard)
    kinds = ("header", "header2", "query", "body", "PATH", "TOKEN", "hook", "end", "sig")
    assert [kind for kind in kinds if f"{CANARY}-{kind}" not in sent] == []
    # What was looked through is really there.
    assert all(places[place] for place in ("jobs", "monitors", "secrets", "job_attempts", "redis", "logs", "spans"))
    assert len(commands) > len(heard.heard)


def _around(text: str) -> list[str]:
    """What stands round the canary, the first three times."""
    parts = text.split(CANARY)
    return [before[-120:] + CANARY + after[:60] for before, after in pairwise(parts)][:3]

"""Latencies of lone jobs on idle workers: from submitting to start, to end, and to the client's knowing."""

import asyncio
import random
import time
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, cast

import aiohttp
import asyncpg

from bench.drains import stock_redis
from bench.harness import Servers
from bench.peers.channels import STARTED

POLL_SECONDS = 0.5
"""How often a client asks that cannot wait."""

PATIENCE_SECONDS = 30.0


@dataclass
class Latencies:
    """Milliseconds of each job: from submitting to its start and end, from its end and from submitting to knowing."""

    to_start: list[float] = field(default_factory=list)
    to_end: list[float] = field(default_factory=list)
    end_to_known: list[float] = field(default_factory=list)
    to_known: list[float] = field(default_factory=list)


def middle(values: Sequence[float]) -> str:
    """Median and 99th percentile."""
    if len(values) < 2:
        return "-"
    return f"{median(values):.1f} / {quantiles(values, n=100)[-1]:.1f}"


async def stock_lags(servers: Servers, *, jobs: int, gap_seconds: float) -> Latencies:
    """How long jobs of stock ARQ lie before they start, no database, at random gaps."""
    found = Latencies()
    async with stock_redis(servers) as redis:
        for _ in range(jobs):
            await redis.enqueue_job("note_start")
            submitted = time.time()
            async with asyncio.timeout(PATIENCE_SECONDS):
                _, started = await cast("Awaitable[list[bytes]]", redis.blpop([STARTED], timeout=0))
            found.to_start.append((float(started) - submitted) * 1000)
            await asyncio.sleep(random.uniform(0, gap_seconds))
    return found


async def naive_latencies(url: str, database_url: str, *, jobs: int) -> Latencies:
    """Submit to the naive application, poll until it is done."""
    found = Latencies()
    body = {"kind": "notify", "channel": {}, "message": {}}
    async with aiohttp.ClientSession() as client, _rows(database_url) as rows:
        for _ in range(jobs):
            submitted = time.time()
            job = await _json(client.post(f"{url}/jobs", json=body))
            known = await _poll(client, f"{url}/jobs/{job['id']}")
            row = await rows.fetchrow("select started_at, finished_at from naive_jobs where id = $1", job["id"])
            _note(found, submitted, row, known=known)
            await asyncio.sleep(random.uniform(0, POLL_SECONDS))
    return found


async def tocsin_latencies(url: str, database_url: str, *, key: str, jobs: int) -> Latencies:
    """Submit to Tocsin, ask once with `Prefer: wait`."""
    found = Latencies()
    message = {"title": "bench", "text": "bench"}
    body = {"kind": "notify", "channel": {"kind": "webhook", "url": "https://hook.example/"}, "message": message}
    async with aiohttp.ClientSession(headers={"X-API-Key": key}) as client, _rows(database_url) as rows:
        for _ in range(jobs):
            submitted = time.time()
            job = await _json(client.post(f"{url}/api/v1/jobs", json=body))
            done = await _json(client.get(f"{url}/api/v1/jobs/{job['id']}", headers={"Prefer": "wait=10"}))
            known = time.time()
            if not done["done"]:
                raise RuntimeError(f"the job did not end: {done}")
            row = await rows.fetchrow("select started_at, finished_at from jobs where job_id = $1", job["id"])
            _note(found, submitted, row, known=known)
            await asyncio.sleep(random.uniform(0, 0.02))
    return found


def _rows(database_url: str) -> "asyncpg.pool.Pool[asyncpg.Record]":
    return asyncpg.create_pool(database_url, min_size=1, max_size=1)


async def _json(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> dict[str, Any]:
    async with request as answer:
        answer.raise_for_status()
        told: dict[str, Any] = await answer.json()
        return told


async def _poll(client: aiohttp.ClientSession, url: str) -> float:
    async with asyncio.timeout(PATIENCE_SECONDS):
        # Asking again and again is what is measured here.
        while (await _json(client.get(url)))["finished_at"] is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
    return time.time()


def _note(found: Latencies, submitted: float, row: asyncpg.Record | None, *, known: float) -> None:
    if row is None:
        raise RuntimeError("the job's row is gone")
    started, finished = row["started_at"].timestamp(), row["finished_at"].timestamp()
    found.to_start.append((started - submitted) * 1000)
    found.to_end.append((finished - submitted) * 1000)
    found.end_to_known.append((known - finished) * 1000)
    found.to_known.append((known - submitted) * 1000)

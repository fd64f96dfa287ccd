"""How long `GET /api/v1/jobs/{id}` takes while a worker collects, and while monitors are imported as well."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import quantiles
from threading import Event, Thread

import aiohttp

from bench.harness import Servers
from bench.imports import BATCH, monitor, send_batch
from bench.planting import clear, plant
from bench.probes import CONDITIONS
from bench.programs import HttpProgram, tocsin_workers
from bench.scheduled import LEAD, Demand
from bench.targets import urls
from shared.clock import utc_now

IMPORTED = 100_000
"""More than are made while it is watched."""
POLLS_A_SECOND = 100
"""An open loop: each poll starts at its moment, however long the ones before it take."""


@dataclass(frozen=True)
class Latencies:
    """Milliseconds of polls."""

    polls: int
    p50_ms: float
    p99_ms: float
    most_ms: float


def latencies(servers: Servers, api: HttpProgram, key: str, *, port: int, demand: Demand) -> Mapping[str, Latencies]:
    """Polls of one job on an idle machine, then beside a worker at the demanded rate, then with an import as well."""
    clear(servers)
    url = f"{api.url}/api/v1/jobs/{_submit(api, key)}"
    seconds = demand.window_seconds
    found = {"nothing else runs": asyncio.run(_poll(url, key, seconds=seconds))}
    targets: list[dict[str, object]] = [
        {"kind": "http", "url": target, "conditions": list(CONDITIONS)} for target in urls(port, demand.targets)
    ]
    with tocsin_workers(servers, environment={"TOCSIN_EGRESS_LOOPBACK": "true"}):
        plant(servers, targets, interval=timedelta(seconds=demand.interval_seconds), first=utc_now() + LEAD)
        time.sleep(demand.warm_up_seconds)
        found[f"{demand.rate:,} checks/s"] = asyncio.run(_poll(url, key, seconds=seconds))
        with _importing(api, key):
            found["… and an import of monitors"] = asyncio.run(_poll(url, key, seconds=seconds))
    return found


def _submit(api: HttpProgram, key: str) -> str:
    """A job for later: its row stays as it is while it is polled."""
    job = {"kind": "collect", "delay": "1d", "targets": [{"kind": "http", "url": "https://shop.example/"}]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{api.url}/api/v1/jobs", json.dumps(job).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        job_id: str = json.load(answer)["id"]
    return job_id


@contextmanager
def _importing(api: HttpProgram, key: str) -> Iterator[None]:
    """Make monitors, a thousand a request, one request after the other, until all of `IMPORTED` are there."""
    is_over = Event()
    # Written beforehand: while this process encodes it measures nothing.
    bodies = [
        json.dumps({"items": [{"op": "create", "monitor": monitor(n)} for n in range(first, first + BATCH)]}).encode()
        for first in range(0, IMPORTED, BATCH)
    ]

    def run() -> None:
        for body in bodies:
            if is_over.is_set():
                return
            send_batch(api, key, body)

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


async def _poll(url: str, key: str, *, seconds: float) -> Latencies:
    taken: list[float] = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as client:

        async def poll(due: float) -> None:
            async with client.get(url) as answer:
                answer.raise_for_status()
                await answer.read()
            taken.append((time.perf_counter() - due) * 1000)

        async with asyncio.TaskGroup() as group:
            start = time.perf_counter()
            for number in range(int(seconds * POLLS_A_SECOND)):
                due = start + number / POLLS_A_SECOND
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(poll(due))
    cuts = quantiles(taken, n=100)
    return Latencies(len(taken), cuts[49], cuts[98], max(taken))

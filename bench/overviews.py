"""How 10,000 monitors stand: the whole overview, a page of it, and the uptime of all over 90 days."""

import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from bench.harness import Servers, in_context
from bench.planting import clear
from bench.processes import own_cpu_seconds
from bench.programs import HttpProgram
from bench.report import Spread
from shared.clock import utc_now
from shared.services.monitor.uptime import WINDOWS, UptimeService
from shared.wiring import ProcessContext
from tests.support.monitor_data import plant_monitors, random_monitors

CHANGES = 50
"""Of state, of each monitor, within its year."""
FRESH_SECONDS = 1.1
"""Answers are kept for a second: whoever asks again after it is answered anew."""


@dataclass(frozen=True)
class Asked:
    """A question: milliseconds until it was answered, and milliseconds of CPU, of the asked program and the servers."""

    taken: Spread
    program_cpu_ms: float
    servers_cpu_ms: float


def overviews(servers: Servers, api: HttpProgram, key: str, *, monitors: int, times: int) -> Mapping[str, Asked]:
    """Each question as often as told: overviews over HTTP, uptime by the service, for want of a route for all."""
    clear(servers)
    ids = in_context(servers, lambda context: _plant(context, monitors))
    url = f"{api.url}/api/v1/overview"

    def asked(query: str, *, items: int) -> Asked:
        cpu = partial(_cpu, api.process.pid, servers)
        return _asked(lambda: _get(url + query, key, items=items), cpu, times)

    async def uptimes(context: ProcessContext) -> Asked:
        service = UptimeService(context.database, clock=utc_now)
        windows = {"90d": WINDOWS["90d"]}
        await service.of(ids, windows)
        taken, before = [], _cpu(os.getpid(), servers)
        for _ in range(times):
            started = time.perf_counter()
            await service.of(ids, windows)
            taken.append((time.perf_counter() - started) * 1000)
        return _summed_up(taken, before, _cpu(os.getpid(), servers))

    return {
        "whole overview": asked("?whole=true", items=monitors),
        "page of 100": asked("", items=min(monitors, 100)),
        "uptime of all over 90 days": in_context(servers, uptimes),
    }


async def _plant(context: ProcessContext, count: int) -> list[UUID]:
    monitors = list(random_monitors(count, now=utc_now(), changes=CHANGES))
    await plant_monitors(context.database, monitors)
    async with context.database.engine.connect() as connection:
        # As autovacuum would have within a minute.
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in ("monitors", "monitor_states", "state_spans"):
            await outside.exec_driver_sql(f"vacuum (analyze) {table}")
    return [monitor.monitor_id for monitor in monitors]


def _asked(ask: Callable[[], float], cpu: Callable[[], tuple[float, float]], times: int) -> Asked:
    ask()
    taken, before = [], cpu()
    for _ in range(times):
        time.sleep(FRESH_SECONDS)
        taken.append(ask())
    return _summed_up(taken, before, cpu())


def _cpu(pid: int, servers: Servers) -> tuple[float, float]:
    return own_cpu_seconds(pid), servers.cpu_seconds


def _summed_up(taken: Sequence[float], before: tuple[float, float], after: tuple[float, float]) -> Asked:
    program, servers = ((late - early) / len(taken) * 1000 for late, early in zip(after, before, strict=True))
    return Asked(Spread(taken), program, servers)


def _get(url: str, key: str, *, items: int) -> float:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = answer.read()
    taken = (time.perf_counter() - started) * 1000
    if len(json.loads(body)["items"]) != items:
        raise RuntimeError(f"{url} does not show {items} monitors")
    return taken

"""Bare probes, each in a process of its own: `python -m bench.probes NAME PORT CHECKS`; prints CPU and wall seconds.

Every check takes a new connection, compares status and body, and 100 are under way at once.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from io import BytesIO

import aiohttp
import pycurl
import uvloop

from bench.targets import urls
from shared.collectors.http import HttpCollector
from shared.domain.target.egress import EgressPolicy
from shared.domain.target.judgement import expect, judge
from shared.domain.target.outcome import Outcome
from shared.domain.target.targets import HttpTarget
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver
from worker.main import tune_garbage_collection

CONCURRENCY = 100
CONDITIONS = ("[STATUS] == 200", "[BODY].status == UP")
_PHASES = (pycurl.CONNECT_TIME_T, pycurl.STARTTRANSFER_TIME_T, pycurl.TOTAL_TIME_T)


def bare_pycurl(addresses: Sequence[str]) -> int:
    """Run libcurl's multi interface in a plain loop, and read the phases."""
    multi, waiting, up, running = pycurl.CurlMulti(), iter(addresses), 0, 0
    idle = [pycurl.Curl() for _ in range(CONCURRENCY)]
    bodies: dict[pycurl.Curl, BytesIO] = {}
    while True:
        running += _start(multi, idle, waiting, bodies)
        if not running:
            return up
        while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        _, ended, failed = multi.info_read()
        for curl in (*ended, *(failure[0] for failure in failed)):
            is_up = curl.getinfo(pycurl.RESPONSE_CODE) == 200 and b'"UP"' in bodies.pop(curl).getvalue()
            up += is_up and all(curl.getinfo(phase) >= 0 for phase in _PHASES)
            multi.remove_handle(curl)
            idle.append(curl)
            running -= 1
        if not ended and not failed:
            multi.select(1.0)


def _start(
    multi: pycurl.CurlMulti, idle: list[pycurl.Curl], waiting: Iterator[str], bodies: dict[pycurl.Curl, BytesIO]
) -> int:
    started = 0
    while idle and (url := next(waiting, None)) is not None:
        curl = idle.pop()
        bodies[curl] = BytesIO()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.WRITEDATA, bodies[curl])
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        curl.setopt(pycurl.FORBID_REUSE, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.TIMEOUT_MS, 10_000)
        multi.add_handle(curl)
        started += 1
    return started


async def bare_aiohttp(addresses: Sequence[str]) -> int:
    """Run aiohttp on uvloop; connections are closed after each answer."""
    connector = aiohttp.TCPConnector(limit=CONCURRENCY, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as client:

        async def check(url: str) -> bool:
            async with client.get(url) as answer:
                return answer.status == 200 and b'"UP"' in await answer.read()

        return await _all(addresses, check)


async def our_probe(addresses: Sequence[str]) -> int:
    """Tocsin's collector under its egress policy, with conditions judged; no slots, no breaker, nothing stored."""
    tune_garbage_collection()
    resolver = Resolver()
    collector = HttpCollector(CurlClient(Dialler(resolver, EgressPolicy.parse("any", "", allow_loopback=True))))
    expectations = expect("http", CONDITIONS)

    async def check(url: str) -> bool:
        observation = await collector.collect(HttpTarget(kind="http", url=url))
        return judge(observation, expectations).outcome is Outcome.UP

    up = await _all(addresses, check)
    await collector.close()
    await resolver.close()
    return up


async def _all(addresses: Sequence[str], check: Callable[[str], Awaitable[bool]]) -> int:
    """Check all, as many at once as are allowed; how many are up."""
    waiting = iter(addresses)

    async def keep_checking() -> int:
        return sum([await check(url) for url in waiting])

    return sum(await asyncio.gather(*(keep_checking() for _ in range(CONCURRENCY))))


ENGINES: Mapping[str, Callable[[Sequence[str]], int]] = {
    "bare pycurl": bare_pycurl,
    "aiohttp": lambda addresses: uvloop.run(bare_aiohttp(addresses)),
    "Tocsin's probe alone": lambda addresses: uvloop.run(our_probe(addresses)),
}


def main(name: str, port: int, checks: int) -> None:
    engine = ENGINES[name]
    # A worker collects the same targets again and again; what an engine remembers of them it may remember here.
    engine(urls(port, checks))
    cpu, wall = time.process_time(), time.perf_counter()
    up = engine(urls(port, checks))
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "up": up}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

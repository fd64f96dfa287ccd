"""`python -m chaos.soak`: mixed load for some minutes, undisturbed; exit 1 if anything grew or a slot was lost."""

import argparse
import asyncio
import itertools
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx2
import uvloop
from redis.asyncio import Redis

from chaos.figures import Figures, header, judge, read, row
from chaos.fleet import ADMIN_KEY, Fleet, until_ready
from chaos.ground import Ground
from chaos.havoc import servers
from chaos.watching import Watching
from chaos.witness import SECRET, Witness

WORKERS = 2
CLIENTS = 8
PAUSE_SECONDS = 0.2
"""What each client rests between two things it does, on average."""
TARGETS = 50
READINGS = 30
LEAST_READING_SECONDS = 2.0
LIMIT_KEY = "soak"
JOBS = "/api/v1/jobs"

Act = Callable[["Client"], Awaitable[None]]


class Client:
    """Somebody who uses the API now and then, in every way there is."""

    def __init__(self, http: httpx2.AsyncClient, witness: Witness, did: Counter[str]) -> None:
        self._http = http
        self._witness = witness
        self._did = did
        self._number = itertools.count()
        self._newest: str | None = None

    async def go_on(self) -> None:
        """Do one thing after the other until cancelled."""
        acts: list[Act] = [
            Client.collect,
            Client.notify,
            Client.wait,
            Client.limit,
            Client.cancel,
            Client.poll,
            Client.list,
        ]
        while True:
            act = random.choice(acts)
            await act(self)
            self._did[act.__name__] += 1
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_SECONDS))

    async def collect(self) -> None:
        await self._submit(self._collecting(random.randrange(1, 5)))

    async def notify(self) -> None:
        channel = {"kind": "webhook", "url": self._witness.url("/told"), "secret": SECRET}
        await self._submit({"kind": "notify", "channel": channel, "message": {"title": "soak", "text": "soak"}})

    async def wait(self) -> None:
        await self._submit(self._collecting(1), Prefer="wait=5")

    async def limit(self) -> None:
        await self._submit(self._collecting(1) | {"limit_key": LIMIT_KEY})

    async def cancel(self) -> None:
        await self._submit(self._collecting(1) | {"delay": "1h"})
        await self._told(await self._http.post(f"{JOBS}/{self._newest}/cancel"))

    async def poll(self) -> None:
        if self._newest is not None:
            await self._told(await self._http.get(f"{JOBS}/{self._newest}"))

    async def list(self) -> None:
        await self._told(await self._http.get(JOBS, params={"limit": 20}))

    def _collecting(self, targets: int) -> dict[str, object]:
        urls = [self._witness.url(f"/target/{random.randrange(TARGETS)}") for _ in range(targets)]
        return {"kind": "collect", "targets": [{"kind": "http", "url": url} for url in urls]}

    async def _submit(self, body: dict[str, object], **headers: str) -> None:
        answer = await self._http.post(JOBS, json=body, headers=headers)
        await self._told(answer)
        self._newest = answer.json()["id"]

    async def _told(self, answer: httpx2.Response) -> None:
        answer.raise_for_status()


async def soak(*, minutes: float, monitors: int) -> int:
    """Run it whole and tell; the exit code."""
    async with servers() as ground, Witness(most_seconds=0.05).serve() as witness:
        fleet = Fleet(ground, workers=WORKERS, lease_seconds=30)
        try:
            watching = Watching(ground.urls.database_url, fleet, witness, monitors=monitors)
            await watching.begin()
            did: Counter[str] = Counter()
            readings = await _load(ground, fleet, witness, did, seconds=60 * minutes)
            print("did: " + " · ".join(f"{name} {count}" for name, count in sorted(did.items())))
            slots = await watching.reckon()
        finally:
            await asyncio.to_thread(fleet.end)
    grown = judge(readings)
    for name, how in grown.items():
        print(f"{name} {how}")
    if monitors:
        print(slots.line())
    print(f"soak {minutes:g} min · jobs {readings[-1].jobs} · grown {len(grown)}")
    return 0 if slots.is_clean and not grown else 1


async def _load(ground: Ground, fleet: Fleet, witness: Witness, did: Counter[str], *, seconds: float) -> list[Figures]:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    redis = Redis.from_url(ground.urls.redis_url, socket_timeout=10)
    async with httpx2.AsyncClient(base_url=fleet.url, headers=headers, timeout=30) as http, redis:
        await until_ready(http)
        (await http.put(f"/api/v1/limits/{LIMIT_KEY}", json={"max_running": 2})).raise_for_status()
        clients = [asyncio.create_task(Client(http, witness, did).go_on()) for _ in range(CLIENTS)]
        reading = asyncio.create_task(_read_all(ground, fleet, redis, seconds=seconds))
        try:
            await asyncio.wait([reading, *clients], return_when=asyncio.FIRST_COMPLETED)
            # A client that failed is told as such; without one the readings are complete.
            for client in clients:
                if client.done():
                    client.result()
            return reading.result()
        finally:
            for task in (reading, *clients):
                task.cancel()
            await asyncio.gather(reading, *clients, return_exceptions=True)


async def _read_all(ground: Ground, fleet: Fleet, redis: Redis, *, seconds: float) -> list[Figures]:
    pause_seconds = max(LEAST_READING_SECONDS, seconds / READINGS)
    readings: list[Figures] = []
    print(header(), flush=True)
    for _ in range(int(seconds / pause_seconds)):
        await asyncio.sleep(pause_seconds)
        readings.append(await read(ground, fleet, redis))
        print(row(readings[-1]), flush=True)
    return readings


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--monitors", type=int, default=300, help="how many are looked at each second")
    options = parser.parse_args()
    return uvloop.run(soak(minutes=options.minutes, monitors=options.monitors))


if __name__ == "__main__":
    sys.exit(main())

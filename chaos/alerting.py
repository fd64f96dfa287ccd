"""Alerts beside the jobs: monitors that flap, rules, channels, people who meddle; in the end all of it is reckoned."""

import asyncio
import random
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg
import httpx2

from chaos.alert_audit import reckon_alerts
from chaos.alert_ledger import AlertReckoning, KeptAlert
from chaos.alert_records import GROUP, is_at_rest, read_alerts
from chaos.alert_world import AlertWorld
from chaos.fleet import ADMIN_KEY, Fleet, until_ready
from chaos.ground import Ground
from chaos.witness import SECRET

BATCH = 500
INTERVAL = "2s"
SHELVES = 20
"""Into how many groups the monitors are sorted."""
MEDDLE_SECONDS = (1.0, 4.0)
"""The least and the most between two things that people do."""
RETRY_SECONDS = 0.3
LOOK_SECONDS = 0.5
REST_SECONDS = 300.0
"""How long it may take until all is told: notices that wait for a receiver try again after minutes."""
DOWN, LONG, OFTEN = "down", "long", "often"
CHANNELS: dict[str, dict[str, Any]] = {
    "shelves": {"group_by": ["alertname", "shelf"], "group_wait": "1s", "group_interval": "2s"},
    "all": {"group_by": [], "group_wait": "1s", "group_interval": "1s", "rate_limit": {"notices": 5, "per": "1s"}},
    "single": {
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "0s",
        "matchers": f'alertname={DOWN}, shelf=~"shelf-[01]"',
    },
}
_FLAPPING = {"fires": 3, "within": "1m", "hold": "5s"}
RULES: dict[str, dict[str, Any]] = {
    DOWN: {"expression": "state == down", "flapping": None, "severity": "critical", "channels": ["shelves"]},
    LONG: {
        "expression": "state == down",
        "for": "5s",
        "keep_firing_for": "3s",
        "flapping": None,
        "channels": ["all"],
    },
    OFTEN: {"expression": "count(down, 10s) >= 3", "flapping": _FLAPPING, "channels": ["all", "shelves"]},
}
EDITS = ("count(down, 10s) >= 2", "count(down, 10s) >= 3")
"""What the third rule becomes, one after the other."""


def channels_of(alert: KeptAlert) -> frozenset[str]:
    """Whom an alert is told: the channels that its rule names, and that which finds it by its labels."""
    is_single = alert.rule == DOWN and alert.shelf in {"shelf-0", "shelf-1"}
    return frozenset(RULES[alert.rule]["channels"]) | ({"single"} if is_single else set())


class Alerting:
    """So many monitors that flap; without any there is nothing at all."""

    def __init__(self, own: Ground, fleet: Fleet, world: AlertWorld, *, monitors: int, seed: int) -> None:
        self._database_url = own.urls.database_url
        self._fleet = fleet
        self._world = world
        self._monitors = monitors
        self._chance = random.Random(f"{seed} meddling")
        self._ids: dict[str, list[str]] = {"channels": [], "rules": [], "monitors": []}
        self._edits = 0

    async def begin(self) -> None:
        """Make channels, rules and monitors, once the API listens."""
        if not self._monitors:
            return
        async with self._client() as http:
            await until_ready(http)
            for name, options in CHANNELS.items():
                where = {"kind": "webhook", "url": self._world.url(f"/tell/{name}"), "secret": SECRET}
                await self._make(http, "channels", {"name": name, **where, **options})
            for name, rule in RULES.items():
                await self._make(http, "rules", {"name": name, "selector": f"group={GROUP}", **rule})
            for first in range(0, self._monitors, BATCH):
                numbers = range(first, min(first + BATCH, self._monitors))
                items = [{"op": "create", "monitor": self._monitor(number)} for number in numbers]
                answer = await http.post("/api/v1/monitors:batch", json={"items": items, "atomic": True})
                self._ids["monitors"] += [made["id"] for made in answer.raise_for_status().json()["results"]]

    async def meddle(self) -> None:
        """Silence, delete and edit, as people do in the middle of it all, until cancelled."""
        if not self._monitors:
            return
        deletable = self._ids["monitors"][:: SHELVES + 1]
        async with self._client() as http:
            while True:
                await asyncio.sleep(self._chance.uniform(*MEDDLE_SECONDS))
                match self._chance.randrange(3):
                    case 0:
                        shelf = f"shelf-{self._chance.randrange(SHELVES)}"
                        body = {"matchers": f"shelf={shelf}", "duration": "8s", "comment": "chaos"}
                        await self._ask(http, "POST", "/api/v1/silences", body)
                    case 1 if deletable:
                        await self._ask(http, "DELETE", f"/api/v1/monitors/{deletable.pop()}")
                    case _:
                        body = {"expression": EDITS[self._edits % len(EDITS)]}
                        self._edits += 1
                        await self._ask(http, "PATCH", f"/api/v1/rules/{self._ids['rules'][-1]}", body)

    async def reckon(self) -> AlertReckoning | None:
        """Let the world be calm, wait until nothing is owed, and count; None when there is nothing to count.

        Raises:
            TimeoutError: somebody is still owed something.
        """
        if not self._monitors:
            return None
        self._world.calm()
        connection = await asyncpg.connect(self._database_url, timeout=30)
        try:
            calm_since: datetime = await connection.fetchval("select clock_timestamp()")
            with suppress(TimeoutError):
                async with asyncio.timeout(REST_SECONDS):
                    while not await is_at_rest(connection, calm_since):
                        self._fleet.revive()
                        await asyncio.sleep(LOOK_SECONDS)
            records = await read_alerts(connection)
        finally:
            await connection.close()
        return reckon_alerts(records, self._world.heard(), channels_of=channels_of, of_state=DOWN)

    def _client(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "If-Match": "*"}
        return httpx2.AsyncClient(base_url=self._fleet.url, headers=headers, timeout=60)

    async def _make(self, http: httpx2.AsyncClient, what: str, body: dict[str, Any]) -> None:
        answer = await http.post(f"/api/v1/{what}", json=body)
        self._ids[what].append(answer.raise_for_status().json()["id"])

    async def _ask(self, http: httpx2.AsyncClient, method: str, path: str, body: object = None) -> None:
        """Ask until the API has heard it; what it did before an answer was lost it is asked to do again."""
        while True:
            with suppress(httpx2.TransportError):
                answer = await http.request(method, path, json=body)
                if answer.status_code < 500 and answer.status_code != 429:
                    return
            await asyncio.sleep(RETRY_SECONDS)

    def _monitor(self, number: int) -> dict[str, object]:
        return {
            "name": f"flapping {number}",
            "group": GROUP,
            "labels": {"shelf": f"shelf-{number % SHELVES}"},
            "interval": INTERVAL,
            "confirmations": 0,
            "target": {"kind": "http", "url": self._world.url(f"/target/{number}")},
        }

"""Monitors beside the jobs: made through the API, looked at by the fleet, counted by the auditor's own connection."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg
import httpx2

from chaos.fleet import ADMIN_KEY, Fleet, until_ready
from chaos.slot_records import milliseconds, read_watched
from chaos.slots import SlotReckoning, reckon_slots
from chaos.witness import Witness

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

BATCH = 500
LOOK_SECONDS = 0.2
SETTLE_SECONDS = 120.0
"""The last rounds of all may have lost their ring and their worker, wait for their deadline, and be settled then."""


class Watching:
    """Monitors of one second whose targets are always up, and which nobody confirms: one wrong look would be *down*."""

    def __init__(self, database_url: str, fleet: Fleet, witness: Witness, *, monitors: int) -> None:
        self._database_url = database_url
        self._fleet = fleet
        self._witness = witness
        self._monitors = monitors

    async def begin(self) -> None:
        """Make them, once the API listens."""
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx2.AsyncClient(base_url=self._fleet.url, headers=headers, timeout=60) as http:
            await until_ready(http)
            for first in range(0, self._monitors, BATCH):
                numbers = range(first, min(first + BATCH, self._monitors))
                items = [{"op": "create", "monitor": self._monitor(number)} for number in numbers]
                answer = await http.post("/api/v1/monitors:batch", json={"items": items, "atomic": True})
                answer.raise_for_status()

    async def reckon(self) -> SlotReckoning:
        """Count the slots that have come until now, as soon as what became of each is told.

        Raises:
            TimeoutError: it is not told in time; upkeep is asleep.
        """
        connection = await asyncpg.connect(self._database_url, timeout=30)
        try:
            until: datetime = await connection.fetchval("select clock_timestamp()")
            async with asyncio.timeout(SETTLE_SECONDS):
                await _until_settled(connection, until)
            # One snapshot: no slot is read as missed and, a moment later, as collected.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                watched = await read_watched(connection)
        finally:
            await connection.close()
        return reckon_slots(watched, until=milliseconds(until))

    def _monitor(self, number: int) -> dict[str, object]:
        target = {"kind": "http", "url": self._witness.url(f"/monitor/{number}"), "timeout": "30s"}
        return {"name": f"monitor {number}", "interval": "1s", "confirmations": 0, "target": target}


async def _until_settled(connection: "Connection", until: datetime) -> None:
    """Wait until all slots up to the moment are scheduled, and no round made so far is unfinished or untold."""
    await _until_none(connection, _UNSCHEDULED, until)
    await _until_none(connection, _UNSETTLED, await connection.fetchval("select clock_timestamp()"))


async def _until_none(connection: "Connection", query: str, moment: datetime) -> None:
    while True:
        if not await connection.fetchval(query, moment):
            return
        await asyncio.sleep(LOOK_SECONDS)


_UNSCHEDULED = "select exists (select from schedules where next_slot <= $1)"
_UNSETTLED = """
select exists (select from jobs where kind = 'round' and created_at <= $1 and state <> 'succeeded'
                                  and settled_at is null)
"""

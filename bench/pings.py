"""Pings a second through the heartbeats' door, each answered after its commit."""

import asyncio
import json

import asyncpg

from bench.contest import Contender, Figures, contest
from bench.harness import Servers
from bench.imports import send_batch
from bench.load import run_wrk, write_lines
from bench.planting import clear
from bench.programs import HttpProgram

HEARTBEATS = 1_000


def pings(servers: Servers, api: HttpProgram, key: str, *, seconds: float, rounds: int) -> Figures:
    """A hundred clients ping a thousand heartbeats at random."""
    clear(servers)
    send_batch(api, key, json.dumps({"items": [_item(number) for number in range(HEARTBEATS)]}).encode())
    paths = [f"/ping/{ping_id}" for ping_id in asyncio.run(_ping_ids(servers))]
    lines = write_lines(servers.directory / "pings.txt", paths)
    door = Contender("pings", api.process, lambda: run_wrk(api.url, "get.lua", lines, "-", seconds=seconds))
    return contest([door], servers, rounds=rounds)["pings"]


def _item(number: int) -> dict[str, object]:
    target = {"kind": "heartbeat", "grace": "1h"}
    return {"op": "create", "monitor": {"name": f"heartbeat {number}", "target": target, "interval": "1d"}}


async def _ping_ids(servers: Servers) -> list[str]:
    connection = await asyncpg.connect(servers.database_url)
    rows = await connection.fetch("select ping_id::text as ping_id from heartbeats")
    await connection.close()
    return [row["ping_id"] for row in rows]

"""What became of the slots of a window: read from samples and gaps, as they are stored."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.domain.target.kinds import METRICS

SETTLE_SECONDS = 20.0
"""How long after a window what became of its slots may still be written."""
_LAG = METRICS["http"].index("lag_ms") + 1
_STORED = f"""
    select count(*) as stored, count(*) filter (where extras[{_LAG}] <= 1000) as on_time,
           count(*) filter (where outcome <> 0) as not_up,
           coalesce(percentile_disc(array[0.5, 0.99]) within group (order by extras[{_LAG}]), '{{0,0}}') as lags,
           coalesce(max(extras[{_LAG}]), 0) as most,
           coalesce(percentile_disc(array[0.5, 0.99]) within group (order by value), '{{0,0}}') as durations
    from sample where ts >= $1 and ts < $2
"""
_COUNTED = "select count(*) from sample where ts >= $1 and ts < $2"
_GAPS = """
    select reason, sum(slots) as slots from slot_gaps where first_slot >= $1 and first_slot < $2 group by reason
"""


@dataclass(frozen=True)
class Slots:
    """Slots of a window: stored, begun within a second, missed by reason; milliseconds of lag and of the looks."""

    stored: int
    on_time: int
    not_up: int
    missed: Mapping[str, int]
    lag_p50_ms: float
    lag_p99_ms: float
    lag_most_ms: float
    duration_p50_ms: float
    duration_p99_ms: float


async def settled_slots(database_url: str, start: datetime, end: datetime, *, expected: int) -> Slots:
    """Wait until all slots are accounted for, or for `SETTLE_SECONDS`; then read what became of them."""
    connection = await asyncpg.connect(database_url)
    try:
        deadline = time.monotonic() + SETTLE_SECONDS
        # Nobody tells when the last slot of a window is written.
        while await _known(connection, start, end) < expected and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        return await _read(connection, start, end)
    finally:
        await connection.close()


async def _known(connection: "asyncpg.Connection[asyncpg.Record]", start: datetime, end: datetime) -> int:
    gaps = await connection.fetch(_GAPS, start, end)
    stored: int = await connection.fetchval(_COUNTED, start, end)
    return stored + sum(row["slots"] for row in gaps)


async def _read(connection: "asyncpg.Connection[asyncpg.Record]", start: datetime, end: datetime) -> Slots:
    row = await connection.fetchrow(_STORED, start, end)
    if row is None:
        raise RuntimeError("an aggregate has always one row")
    missed = {each["reason"]: each["slots"] for each in await connection.fetch(_GAPS, start, end)}
    figures = row["lags"][0], row["lags"][1], row["most"], row["durations"][0], row["durations"][1]
    return Slots(row["stored"], row["on_time"], row["not_up"], missed, *figures)

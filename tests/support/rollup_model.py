"""Roll-ups as a plain program computes them from what is stored, to compare with what is kept."""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.domain.sample.chunk_codec import decode_chunk
from shared.domain.sample.sample_columns import moment_at
from shared.domain.sample.segments import DAY, HOUR, floor_to
from shared.domain.sample.sketch import Sketch
from shared.domain.target.outcome import OUTCOME_OF_CODE, Outcome
from shared.storage.database import Database
from shared.storage.sample.rollup_state import read_rollup_state

Point = tuple[datetime, Outcome, float | None, bool]
Key = tuple[int, int, datetime]

HTTP_LAG = 11


class StoredRow(NamedTuple):
    """A sample as it is stored."""

    series_id: int
    ts: datetime
    value: float | None
    outcome: int
    extras: list[float | None] | None


async def set_watermark(database: Database, moment: datetime) -> None:
    """Let nothing before `moment` count as late or computed."""
    async with database.transaction() as work:
        await work.run("delete from rollup_state")
        await work.run(
            "insert into rollup_state (claimed_at, hours_computed_at, days_computed_at) values ($1, $2, $3)",
            floor_to(moment, HOUR),
            floor_to(moment, HOUR),
            floor_to(moment, DAY),
        )


async def kept_rollups(database: Database, table: str) -> dict[Key, tuple[Any, ...]]:
    """Every row of `rollup_1h` or `rollup_1d`."""
    async with database.transaction() as work:
        rows = await work.fetch(f"select * from {table}")
    return {
        (row.series_id, row.metric, row.bucket): (
            (row.up, row.degraded, row.down, row.error, row.late),
            (row.value_count, round(row.value_sum, 6), row.value_min, row.value_max, row.latest, row.latest_at),
            row.sketch,
        )
        for row in rows
    }


async def stored_rows(database: Database) -> list[StoredRow]:
    """Every sample, in the order of their times, wherever it is kept: as a row, as a late row, or in a chunk."""
    async with database.transaction() as work:
        state = await read_rollup_state(work)
        rows = await work.fetch("select * from sample where ts >= $1", state.chunked_until)
        late = await work.fetch("select * from sample_late")
        chunks = await work.fetch("select * from sample_chunk where day < $1", state.chunked_until.date())
    found = [StoredRow(row.series_id, row.ts, row.value, row.outcome, row.extras) for row in (*rows, *late)]
    for chunk in chunks:
        samples = decode_chunk(chunk.data)
        assert len(samples) == chunk.samples
        for index, (moment, outcome, value) in enumerate(
            zip(samples.moments.tolist(), samples.outcomes.tolist(), samples.values_at(0).tolist(), strict=True)
        ):
            assert moment_at(moment).date() == chunk.day
            extras = samples.packed_metrics(index) or None
            found.append(
                StoredRow(chunk.series_id, moment_at(moment), None if math.isnan(value) else value, outcome, extras)
            )
    keys = [(row.series_id, row.ts) for row in found]
    assert len(keys) == len(set(keys))
    return sorted(found, key=lambda row: row.ts)


async def expected_rollups(
    database: Database, unit: timedelta, *, before: datetime, places: Sequence[int] = (0, 5)
) -> dict[Key, tuple[Any, ...]]:
    """The same, computed from all samples before a moment; 5 is where HTTP keeps the metric that is rolled up."""
    rows = [row for row in await stored_rows(database) if row.ts < before]
    points: dict[Key, list[Point]] = defaultdict(list)
    for row in rows:
        for place in places:
            value = row.value if place == 0 else _extra(row, place)
            outcome = OUTCOME_OF_CODE[row.outcome]
            points[row.series_id, place, floor_to(row.ts, unit)].append(
                (row.ts, outcome, value, place == 0 and _is_late(row))
            )
    return {key: _summarise(group) for key, group in points.items()}


def _extra(row: StoredRow, place: int) -> float | None:
    return row.extras[place - 1] if row.extras and len(row.extras) >= place else None


def _is_late(row: StoredRow) -> bool:
    """Whether an HTTP sample was begun more than a second after its slot; our own errors are only errors."""
    return OUTCOME_OF_CODE[row.outcome] is not Outcome.ERROR and (_extra(row, HTTP_LAG) or 0) > 1000


def _summarise(points: Sequence[Point]) -> tuple[Any, ...]:
    outcomes = [sum(1 for _, outcome, _, _ in points if outcome is each) for each in Outcome]
    counts = (*outcomes, sum(late for *_, late in points))
    values = [(ts, value) for ts, outcome, value, _ in points if outcome is not Outcome.ERROR and value is not None]
    if not values:
        return counts, (0, 0.0, None, None, None, None), None
    numbers = [value for _, value in values]
    latest_at, latest = values[-1]
    figures = (len(numbers), round(sum(numbers), 6), min(numbers), max(numbers), latest, latest_at)
    return counts, figures, Sketch.of(numbers).encode()

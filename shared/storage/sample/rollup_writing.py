"""Writes hours and days, and knows which metrics have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.sample.summary import Summary
from shared.domain.target.kinds import METRICS, ROLLED_UP
from shared.domain.target.outcome import Outcome
from shared.storage.database import UnitOfWork

LAG = "lag_ms"


@dataclass(frozen=True, slots=True)
class Rollup:
    """One row to be written; `late` counts the looks that were begun late, with metric 0 only."""

    series_id: int
    metric: int
    bucket: datetime
    summary: Summary
    late: int


def rolled_up_places() -> list[tuple[str, int, int | None]]:
    """Which metrics of which kind are rolled up: 0 is the duration, n the n-th packed one; with 0, where the lag is."""
    return [
        (kind, place, metrics.index(LAG) + 1 if place == 0 and LAG in metrics else None)
        for kind, metrics in METRICS.items()
        for place in (0, *(metrics.index(name) + 1 for name in ROLLED_UP.get(kind, ())))
    ]


async def upsert_rollups(work: UnitOfWork, table: str, rollups: Sequence[Rollup]) -> None:
    """Write rows of `rollup_1h` or `rollup_1d`, each in the place of the one that was there."""
    if not rollups:
        return
    outcomes = [outcome.value for outcome in Outcome]
    columns = [
        *("series_id", "metric", "bucket", *outcomes, "value_count", "value_sum", "value_min", "value_max"),
        *("latest", "latest_at", "sketch", "late"),
    ]
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns[3:])
    await work.run(
        f"""
        insert into {table} ({", ".join(columns)})
        select * from unnest($1::int4[], $2::int2[], $3::timestamptz[], $4::int4[], $5::int4[], $6::int4[],
                             $7::int4[], $8::int4[], $9::float8[], $10::float8[], $11::float8[], $12::float8[],
                             $13::timestamptz[], $14::bytea[], $15::int4[])
        on conflict (series_id, metric, bucket) do update set {updates}
        """,
        [each.series_id for each in rollups],
        [each.metric for each in rollups],
        [each.bucket for each in rollups],
        *([each.summary.outcomes[outcome] for each in rollups] for outcome in Outcome),
        [each.summary.value_count for each in rollups],
        [each.summary.value_sum for each in rollups],
        [each.summary.value_min for each in rollups],
        [each.summary.value_max for each in rollups],
        [each.summary.latest for each in rollups],
        [each.summary.latest_at for each in rollups],
        [each.summary.sketch.encode() if each.summary.value_count else None for each in rollups],
        [each.late for each in rollups],
    )

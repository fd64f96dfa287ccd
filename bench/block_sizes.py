"""Bytes a sample at rest: the same day of samples packed by us, and as a block of Prometheus made by its promtool."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import asyncpg

from bench.harness import Servers
from bench.planting import clear
from shared.domain.sample.segments import DAY, floor_to
from shared.domain.target.kinds import METRICS
from shared.services.sample.compaction import Compaction
from shared.services.sample.partitions import SampleRetention, ensure_partitions
from shared.storage.database import Database, create_engine

PROMTOOL = "promtool"
STEP = timedelta(seconds=60)
KEPT = SampleRetention(sample_days=400, hour_days=400)
_SERIES = """
    insert into series (identity, kind, name, labels)
    select sha256(n::text::bytea), 'http', 'https://' || n, '{}' from generate_series(1, $1::int) n
"""
_DAY = """
    insert into sample (ts, value, series_id, outcome, extras)
    select t + series_id * interval '50 ms', round((20 * exp(random_normal() * 0.5))::numeric, 3), series_id,
           case when random() < 0.01 then 2 else 0 end,
           case when $3 then array[200, round(random()::numeric, 3), round((2 + random())::numeric, 3),
                round((8 + random())::numeric, 3), round((20 * exp(random_normal() * 0.5))::numeric, 3),
                round(random()::numeric, 3), 5000 + series_id, 60, 0, 1, round((2 * random())::numeric, 3)] end
    from generate_series($1::timestamptz, $1::timestamptz + interval '1 day' - interval '1 s', $2::interval) t, series
"""
_SUMMED_UP = "insert into rollup_state (claimed_at, hours_computed_at, days_computed_at) values (now(), now(), now())"
_ROOM = """
    select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::float8 from pg_inherits
    where inhparent = $1::text::regclass
"""
_ROWS = "select extract(epoch from ts) as at, series_id, value, outcome, extras from sample order by series_id, ts"


@dataclass(frozen=True)
class Size:
    """A day of samples, and the bytes a sample takes; None where promtool is not installed."""

    samples: int
    as_rows: float
    packed: float
    prometheus: float | None


def sizes(servers: Servers, *, series: int) -> Mapping[str, Size]:
    """What a sample of a monitor takes: duration and outcome alone, and with the metrics of an HTTP look."""
    found: dict[str, Size] = {}
    for name, with_metrics in (("duration and outcome", False), ("and 11 metrics", True)):
        clear(servers)
        found[name] = asyncio.run(_measure(servers, series, with_metrics=with_metrics))
    return found


async def _measure(servers: Servers, series: int, *, with_metrics: bool) -> Size:
    day = floor_to(datetime.now(UTC), DAY) - 3 * DAY
    database = Database(create_engine(servers.database_url, pool_size=2, name="bench"))
    connection = await asyncpg.connect(servers.database_url)
    try:
        await ensure_partitions(database, day, KEPT)
        await connection.execute("truncate sample_chunk, sample_late, rollup_state")
        # As if all hours and days were summed up: a day is packed only then.
        await connection.execute(_SUMMED_UP)
        await connection.execute(_SERIES, series)
        await connection.execute(_DAY, day, STEP, with_metrics)
        rows = await connection.fetch(_ROWS)
        as_rows = await connection.fetchval(_ROOM, "sample")
        compaction = Compaction(database, hot_days=2)
        while (await compaction.advance(datetime.now(UTC))).moved:
            pass
        packed = await connection.fetchval(_ROOM, "sample_chunk")
    finally:
        await connection.close()
        await database.close()
    block = _block_bytes(servers.directory, rows)
    return Size(len(rows), as_rows / len(rows), packed / len(rows), block and block / len(rows))


def _block_bytes(directory: Path, rows: Sequence[asyncpg.Record]) -> int | None:
    """All files of the block that promtool makes of the samples, each metric a series as in Prometheus."""
    program = shutil.which(PROMTOOL)
    if program is None:
        return None
    text, blocks = directory / "samples.om", directory / "blocks"
    with text.open("w") as file:
        file.writelines(_open_metrics(rows))
    argv = [program, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(blocks)]
    subprocess.run([*argv, "--max-block-duration=24h"], check=True, capture_output=True, timeout=300)
    size = sum(file.stat().st_size for file in blocks.rglob("*") if file.is_file())
    shutil.rmtree(blocks)
    text.unlink()
    return size


def _open_metrics(rows: Sequence[asyncpg.Record]) -> Iterator[str]:
    names = METRICS["http"] if rows[0]["extras"] else ()
    for name, value in (
        ("duration_ms", lambda row: row["value"]),
        ("outcome", lambda row: row["outcome"]),
        *((name, partial(_extra, place)) for place, name in enumerate(names)),
    ):
        yield f"# TYPE {name} gauge\n"
        for row in rows:
            yield f'{name}{{instance="https://{row["series_id"]}"}} {value(row)} {row["at"]}\n'
    yield "# EOF\n"


def _extra(place: int, row: asyncpg.Record) -> float:
    extras: list[float] = row["extras"]
    return extras[place]

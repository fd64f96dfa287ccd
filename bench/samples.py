"""Sample rows against PostgreSQL's own COPY; packing, and statistics over many: `python -m bench.samples [SAMPLES]`."""

import asyncio
import io
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bench.harness import Servers, servers
from bench.report import Spread, number, publish, ratio, table
from shared.domain.sample.samples import Sample
from shared.domain.sample.segments import DAY, HOUR, floor_to
from shared.domain.sample.statistics import StatsQuery
from shared.domain.target.kinds import METRICS
from shared.domain.target.outcome import Outcome, Reading
from shared.services.sample.compaction import Compaction
from shared.services.sample.partitions import SampleRetention, ensure_partitions
from shared.services.sample.rollups import Rollups
from shared.services.sample.statistics import Statistics
from shared.storage.database import Database, UnitOfWork, create_engine
from shared.storage.sample.sample_encoding import encode_rows, place
from shared.storage.sample.sample_store import SampleStore
from shared.storage.sample.storage_store import StorageStore

BATCH = 1_000
BATCHES = 60
ROUNDS = 5
SERIES = 1_000
STEP = timedelta(seconds=60)
START = floor_to(datetime.now(UTC), DAY) - 8 * DAY
KEPT = SampleRetention(sample_days=400, hour_days=400)
COLUMNS = ("ts", "value", "series_id", "outcome", "extras")


@dataclass(frozen=True)
class Load:
    """The same samples twice: in batches, and as the bytes that PostgreSQL's COPY reads."""

    batches: Sequence[Sequence[Sample]]
    encoded: bytes


Write = Callable[[Database, Load], Awaitable[None]]


def make_batches(job_id: UUID, *, with_metrics: bool) -> list[list[Sample]]:
    """Batches as one round over all series each, half a minute apart."""
    draw = random.Random(5)
    return [
        [
            Sample(job_id, position, position + 1, "http", _reading(draw, number, with_metrics=with_metrics))
            for position in range(BATCH)
        ]
        for number in range(BATCHES)
    ]


def _reading(draw: random.Random, number: int, *, with_metrics: bool) -> Reading:
    metrics = {name: round(draw.random() * 100, 3) for name in METRICS["http"]} if with_metrics else {}
    at = START + number * STEP / 2 + timedelta(milliseconds=draw.randrange(30_000))
    return Reading(Outcome.UP, round(draw.lognormvariate(3, 0.5), 3), at, metrics)


async def copy_whole(database: Database, load: Load) -> None:
    """Give PostgreSQL's COPY all rows in one statement, encoded beforehand: what the server can do."""
    async with database.transaction() as work:
        driver = await work.driver()
        await driver.copy_to_table("peer", source=io.BytesIO(load.encoded), columns=COLUMNS, format="binary")


async def copy_batches(database: Database, load: Load) -> None:
    """COPY of each batch in its own transaction, by asyncpg from Python's rows."""
    for batch in load.batches:
        rows = [(p.ts, p.value, p.series_id, 0, _extras(p.sample)) for p in place(batch)]
        async with database.transaction() as work:
            await (await work.driver()).copy_records_to_table("peer", records=rows, columns=COLUMNS)


async def write_rows(database: Database, load: Load) -> None:
    """Our write path alone: placing, encoding, COPY in a savepoint."""
    for batch in load.batches:
        async with database.transaction() as work:
            await SampleStore(work).add_rows(batch)


async def record(database: Database, load: Load) -> None:
    """Everything: rows, watermark, current state, and each job's result rows."""
    for batch in load.batches:
        async with database.transaction() as work:
            job_id = await _add_job(work)
            await SampleStore(work).record([Sample(job_id, s.position, s.series_id, s.kind, s.reading) for s in batch])


WAYS: dict[str, Write] = {
    "COPY, encoded beforehand, one statement": copy_whole,
    "COPY by asyncpg, a transaction per 1,000": copy_batches,
    "Tocsin: rows, a transaction per 1,000": write_rows,
    "Tocsin: rows, state and job results": record,
}


def _extras(sample: Sample) -> list[float] | None:
    return [sample.reading.metrics[name] for name in METRICS["http"]] if sample.reading.metrics else None


async def _add_job(work: UnitOfWork) -> UUID:
    job_id = uuid4()
    await work.run(
        "insert into jobs (job_id, kind, queue, state, spec, run_at, max_attempts, principal_id)"
        " values ($1, 'collect', 'collect', 'queued', '{}', now(), 3, 'bench')",
        job_id,
    )
    return job_id


async def measure_writes(database: Database) -> str:
    async with database.transaction() as work:
        await work.run("create table peer (like sample including all) partition by range (ts)")
        bounds = f"'{START:%Y-%m-%d}'", f"'{START + DAY:%Y-%m-%d}'"
        await work.run(f"create table peer_day partition of peer for values from ({bounds[0]}) to ({bounds[1]})")
    rows = []
    for with_metrics, title in ((False, "duration only"), (True, "with 10 metrics")):
        batches = make_batches(UUID(int=0), with_metrics=with_metrics)
        load = Load(batches, encode_rows(place([sample for batch in batches for sample in batch])))
        rates: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(ROUNDS):
            for name, write in WAYS.items():
                await _empty(database)
                started = time.perf_counter()
                await write(database, load)
                rates[name].append(BATCH * BATCHES / (time.perf_counter() - started))
        best = Spread(rates["COPY by asyncpg, a transaction per 1,000"]).median
        rows += [(title, name, Spread(values), ratio(Spread(values).median, best)) for name, values in rates.items()]
    return table(("rows", "way", "rows/s", "against COPY by asyncpg"), rows)


async def _empty(database: Database) -> None:
    """Nothing is left, and nothing that comes counts as late."""
    tables = "sample, peer, series, series_current, rollup_1h, rollup_1d, rollup_state, rollup_dirty, jobs"
    async with database.transaction() as work:
        await work.run(f"truncate {tables}, sample_chunk, sample_late restart identity cascade")
        await work.run(
            "insert into rollup_state (claimed_at, hours_computed_at, days_computed_at) values ($1, $1, $1)", START
        )
    await _outside(database, "checkpoint")


async def generate(database: Database, count: int, *, with_metrics: bool) -> tuple[datetime, float]:
    """Samples of 1,000 series every minute until now, made by the server; when they start, and how long it took."""
    end = floor_to(datetime.now(UTC), STEP)
    start = end - count // SERIES * STEP
    await _empty(database)
    async with database.transaction() as work:
        await work.run(
            "insert into series (identity, kind, name, labels) select sha256(n::text::bytea), 'http', 'https://' || n,"
            " jsonb_build_object('team', 'team' || n % 10) from generate_series(1, $1::int) n",
            SERIES,
        )
    started = time.perf_counter()
    days = int((end - start) / DAY) + 2
    for day in (floor_to(start, DAY) + offset * DAY for offset in range(days)):
        await ensure_partitions(database, day, KEPT)
        await _generate_day(database, max(day, start), min(day + DAY, end), with_metrics=with_metrics)
    await _outside(database, "vacuum (analyze) sample")
    await _outside(database, "analyze series")
    async with database.transaction() as work:
        await work.run(
            "insert into series_current select series_id, $1, 1, 0, $2 from series",
            end - STEP + timedelta(seconds=50),
            start,
        )
        await work.run("delete from rollup_state")
        await work.run(
            "insert into rollup_state (claimed_at, hours_computed_at, days_computed_at) values ($1, $1, $2)",
            floor_to(start, HOUR),
            floor_to(start, DAY),
        )
    return start, time.perf_counter() - started


async def _generate_day(database: Database, start: datetime, end: datetime, *, with_metrics: bool) -> None:
    if start >= end:
        return
    async with database.transaction() as work:
        await work.run("set local statement_timeout = 0")
        driver = await work.driver()
        await driver.execute(
            """
            insert into sample (ts, value, series_id, outcome, extras)
            select t + n * interval '50 ms', round((20 * exp(random_normal() * 0.5))::numeric, 3), n,
                   case when random() < 0.01 then 2 else 0 end, case when $4::bool then array[
                       200, round(random()::numeric, 3), round((2 + random())::numeric, 3),
                       round((8 + random())::numeric, 3), round((20 * exp(random_normal() * 0.5))::numeric, 3),
                       round(random()::numeric, 3), 5000 + n, 60, 0, 1, round((2 * random())::numeric, 3)] end
            from generate_series($1::timestamptz, $2::timestamptz - interval '1 second', interval '60 s') t,
                 generate_series(1, $3::int) n
            """,
            start,
            end,
            SERIES,
            with_metrics,
            timeout=600,
        )


async def _outside(database: Database, statement: str) -> None:
    async with database.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        raw = await autocommit.get_raw_connection()
        await raw.driver_connection.execute(statement, timeout=300)  # type: ignore[union-attr]


async def measure_packing(database: Database, count: int, *, with_metrics: bool) -> str:
    """Generate, roll up and pack, and tell what a sample takes before and after."""
    _, generated = await generate(database, count, with_metrics=with_metrics)
    rows = await _size_of(database, "sample")
    started, hours, days = time.perf_counter(), 0, 0
    while (report := await Rollups(database).advance(datetime.now(UTC))).moved:
        hours, days = hours + report.hours, days + report.days
    rolled_up = time.perf_counter() - started
    started, cpu, packed = time.perf_counter(), time.process_time(), 0
    compaction = Compaction(database, hot_days=2)
    while (done := await compaction.advance(datetime.now(UTC))).moved:
        packed += done.samples
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    await _outside(database, "vacuum (analyze) sample_chunk")
    chunks = await _size_of(database, "sample_chunk")
    await _outside(database, "vacuum (analyze) rollup_1h")
    await _outside(database, "vacuum (analyze) rollup_1d")
    return (
        f"{count:,} samples of {SERIES:,} series, {'with 11 metrics' if with_metrics else 'duration only'}, generated"
        f" in {generated:.0f} s; {hours} hours and {days} days rolled up in {rolled_up:.0f} s,"
        f" {rolled_up / count * 1e6:.2f} us a sample. {packed:,} packed in {seconds:.0f} s,"
        f" {seconds / max(packed, 1) * 1e6:.2f} us a sample, {cpu / max(packed, 1) * 1e6:.2f} us of them our own CPU."
        f" On disk, with index: {rows / count:.1f} bytes a sample as rows, {chunks / max(packed, 1):.2f} packed;"
        f" hours {await _size_of(database, 'rollup_1h') / count:.2f}, days"
        f" {await _size_of(database, 'rollup_1d') / count:.2f} bytes a sample."
    )


async def _size_of(database: Database, table: str) -> int:
    async with database.transaction() as work:
        return next(each.bytes for each in await StorageStore(work).list_tables() if each.table == table)


async def measure_statistics(database: Database, count: int) -> tuple[str, ...]:
    with_metrics = await measure_packing(database, min(count, 10_000_000), with_metrics=True)
    plain = await measure_packing(database, count, with_metrics=False)
    now = datetime.now(UTC)
    start = now - count // SERIES * STEP
    rows = [
        await _time_query(database, name, query)
        for name, query in _queries(start, now).items()
        if query.start < query.end
    ]
    return with_metrics, plain, table(("question", "ms", "percentiles", "groups", "buckets", "samples"), rows)


def _queries(start: datetime, now: datetime) -> dict[str, StatsQuery]:
    one = "https://7"
    return {
        "all, last hour": StatsQuery(now - HOUR, now),
        "all, last 24 h": StatsQuery(now - DAY, now),
        "all, whole time": StatsQuery(start, now),
        "all, whole days": StatsQuery(floor_to(start, DAY) + DAY, floor_to(now, DAY)),
        "one label of ten, whole time": StatsQuery(start, now, labels={"team": "team3"}),
        "by label, whole time": StatsQuery(start, now, group_by="label", group_label="team"),
        "by target, whole time": StatsQuery(start, now, group_by="target"),
        "one target, last hour by 1 min": StatsQuery(now - HOUR, now, target=one, bucket=timedelta(minutes=1)),
        "one target, last 24 h": StatsQuery(now - DAY, now, target=one),
        "one target, 30 days by 1 h": StatsQuery(max(start, now - 30 * DAY), now, target=one, bucket=HOUR),
        "one target, 30 days by 5 min": StatsQuery(
            max(start, now - 30 * DAY), now, target=one, bucket=timedelta(minutes=5)
        ),
        "one target, whole time": StatsQuery(start, now, target=one),
        "one target, whole time by 1 h": StatsQuery(start, now, target=one, bucket=HOUR),
    }


async def _time_query(database: Database, name: str, query: StatsQuery) -> tuple[object, ...]:
    statistics = Statistics(database)
    answer = await statistics.query(query)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await statistics.query(query)
        times.append((time.perf_counter() - started) * 1000)
    buckets = sum(len(item.buckets) for item in answer.items)
    samples = sum(item.figures.count for item in answer.items)
    return name, Spread(times), answer.percentiles, len(answer.items), buckets, f"{samples:,}"


async def run(servers: Servers, count: int) -> list[str]:
    database = Database(create_engine(servers.database_url, pool_size=2, name="bench"))
    try:
        await ensure_partitions(database, START, KEPT)
        writes = await measure_writes(database)
        return [writes, *(await measure_statistics(database, count))]
    finally:
        await database.close()


def main(count: int) -> None:
    started = time.perf_counter()
    with servers() as running:
        parts = asyncio.run(run(running, count))
    publish("samples", [*parts, f"The whole run took {number(time.perf_counter() - started)} s."])


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 10_000_000)

"""Roll-ups equal a recomputation from the samples, whatever came late, twice or at once."""

import asyncio
import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from rollup_model import expected_rollups, kept_rollups, set_watermark
from sample_data import NOON, add_job, every, make_series, record, sample

from shared.domain.sample.segments import DAY, HOUR
from shared.domain.sample.sketch import Sketch, slot_of, values_of
from shared.domain.target.outcome import Outcome
from shared.services.sample.rollups import Rollups
from shared.storage.database import Database
from shared.storage.sample.point_sql import SLOT
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.rollup_store import RollupStore
from shared.storage.sample.sample_store import SampleStore

MINUTE = timedelta(minutes=1)
RANDOM = random.Random(7)


async def assert_equal_to_recomputation(database: Database, *, before: datetime) -> None:
    assert await kept_rollups(database, "rollup_1h") == await expected_rollups(database, HOUR, before=before)


@pytest.fixture
async def since_noon(database: Database) -> Database:
    """A database whose watermark stands at NOON."""
    await set_watermark(database, NOON)
    return database


async def test_hours_that_are_over_are_computed(since_noon: Database) -> None:
    """All series, in several transactions; the hour that goes on is left alone."""
    ids = await make_series(since_noon, *(f"s{number}" for number in range(7)))
    for series_id in ids:
        await record(since_noon, every(series_id, MINUTE, [RANDOM.lognormvariate(3, 1) for _ in range(150)]))
    report = await Rollups(since_noon, series_at_once=3).advance(NOON + 2 * HOUR + 10 * MINUTE)
    assert (report.hours, report.late, report.is_busy) == (2, 0, False)
    await assert_equal_to_recomputation(since_noon, before=NOON + 2 * HOUR)


async def test_an_hour_is_left_open_for_two_minutes(since_noon: Database) -> None:
    """Its last samples are still on their way."""
    await record(since_noon, every((await make_series(since_noon, "a"))[0], MINUTE, [1.0] * 60))
    early = await Rollups(since_noon).advance(NOON + HOUR + MINUTE)
    later = await Rollups(since_noon).advance(NOON + HOUR + 2 * MINUTE)
    assert (early.hours, later.hours) == (0, 1)


async def test_running_again_changes_nothing(since_noon: Database) -> None:
    """The second run finds nothing to do."""
    await record(since_noon, every((await make_series(since_noon, "a"))[0], MINUTE, [1.0, 2.0, 3.0]))
    await Rollups(since_noon).advance(NOON + 2 * HOUR)
    before = await kept_rollups(since_noon, "rollup_1h")
    report = await Rollups(since_noon).advance(NOON + 2 * HOUR)
    assert report.moved == 0
    assert await kept_rollups(since_noon, "rollup_1h") == before


async def test_a_late_sample_is_counted_by_the_next_run(since_noon: Database) -> None:
    """In its hour and in its day."""
    (series_id,) = await make_series(since_noon, "a")
    await record(since_noon, every(series_id, MINUTE, [10.0] * 90))
    await Rollups(since_noon).advance(NOON + DAY)
    await record(since_noon, [sample(series_id, NOON + 30 * MINUTE, 999), sample(series_id, NOON + 70 * MINUTE, 1)])
    report = await Rollups(since_noon).advance(NOON + DAY)
    assert report.late == 2
    await assert_equal_to_recomputation(since_noon, before=NOON + DAY)
    days = await kept_rollups(since_noon, "rollup_1d")
    assert days == await expected_rollups(since_noon, DAY, before=NOON + DAY)
    assert days[series_id, 0, NOON - 12 * HOUR][1][0] == 92


async def test_days_are_merged_from_hours(since_noon: Database) -> None:
    """With the same sketch as if made of the samples; only days that are over."""
    ids = await make_series(since_noon, "a", "b")
    for series_id in ids:
        values = [RANDOM.gauss(0, 50) for _ in range(300)]
        await record(since_noon, every(series_id, 5 * MINUTE, values))
    midnight = NOON + 12 * HOUR
    first = await Rollups(since_noon).advance(midnight)
    second = await Rollups(since_noon).advance(midnight + 10 * MINUTE)
    assert (first.days, second.days) == (0, 1)
    days = await kept_rollups(since_noon, "rollup_1d")
    assert days == await expected_rollups(since_noon, DAY, before=midnight)


async def test_our_own_errors_are_counted_and_nothing_else(since_noon: Database) -> None:
    """Their durations are not the target's."""
    (series_id,) = await make_series(since_noon, "a")
    await record(since_noon, [sample(series_id, NOON, 5), sample(series_id, NOON + MINUTE, 9e9, outcome=Outcome.ERROR)])
    await Rollups(since_noon).advance(NOON + 2 * HOUR)
    counts, figures, _ = (await kept_rollups(since_noon, "rollup_1h"))[series_id, 0, NOON]
    assert counts == (1, 0, 0, 1, 0)
    assert figures == (1, 5.0, 5.0, 5.0, 5.0, NOON)


async def test_looks_that_began_late_are_counted(since_noon: Database) -> None:
    """More than a second behind their slot, once a sample, in hours and in days; our own errors are errors alone."""
    (series_id,) = await make_series(since_noon, "a")
    lags = [{"lag_ms": 1000.0}, {"lag_ms": 1000.5}, {}, {"lag_ms": 9000.0, "first_byte_ms": 3.0}]
    samples = [sample(series_id, NOON + index * MINUTE, metrics=lag) for index, lag in enumerate(lags)]
    late_error = sample(series_id, NOON + HOUR - MINUTE, metrics={"lag_ms": 5000.0}, outcome=Outcome.ERROR)
    await record(since_noon, [*samples, late_error])
    await Rollups(since_noon).advance(NOON + DAY)
    await assert_equal_to_recomputation(since_noon, before=NOON + HOUR)
    assert (await kept_rollups(since_noon, "rollup_1h"))[series_id, 0, NOON][0] == (4, 0, 0, 1, 2)
    days = await kept_rollups(since_noon, "rollup_1d")
    assert days == await expected_rollups(since_noon, DAY, before=NOON + DAY)


async def test_metrics_of_a_kind_are_rolled_up_beside_the_duration(since_noon: Database) -> None:
    """A file's size is its first packed metric, and may be absent."""
    (series_id,) = await make_series(since_noon, "/var/log/app.log", kind="file")
    sizes: list[dict[str, float]] = [{"size_bytes": 100}, {}, {"size_bytes": 2**45}, {"age_seconds": 3}]
    await record(
        since_noon,
        [sample(series_id, NOON + index * MINUTE, kind="file", metrics=metrics) for index, metrics in enumerate(sizes)],
    )
    await Rollups(since_noon).advance(NOON + 2 * HOUR)
    expected = await expected_rollups(since_noon, HOUR, before=NOON + HOUR, places=(0, 1))
    assert await kept_rollups(since_noon, "rollup_1h") == expected
    assert expected[series_id, 1, NOON][1][0] == 2


async def test_a_long_pause_is_skipped_at_once(since_noon: Database) -> None:
    """Empty hours cost no run each."""
    await record(since_noon, [sample((await make_series(since_noon, "a"))[0], NOON)])
    await set_watermark(since_noon, NOON - 300 * DAY)
    async with since_noon.transaction() as work:
        await work.run("update series_current set ts = $1", NOON - 301 * DAY)
    await Rollups(since_noon).advance(NOON)
    async with since_noon.transaction() as work:
        assert (await read_rollup_state(work)).hours_computed_at == NOON - HOUR


async def test_the_watermark_never_passes_the_databases_clock(since_noon: Database) -> None:
    """A worker whose clock is ahead must not declare the future over."""
    await Rollups(since_noon).advance(datetime(2999, 1, 1, tzinfo=UTC))
    async with since_noon.transaction() as work:
        assert (await read_rollup_state(work)).claimed_at <= datetime.now(UTC)


async def test_a_second_process_leaves_the_work_to_the_first(since_noon: Database) -> None:
    """It says so, and tries again the next time."""
    async with since_noon.transaction() as work:
        await RollupStore(work).lock()
        report = await Rollups(since_noon).advance(NOON + 5 * HOUR)
    assert report.is_busy
    assert (await Rollups(since_noon).advance(NOON + 5 * HOUR)).is_busy is False


async def test_a_writer_in_the_middle_of_its_transaction_is_waited_for(since_noon: Database) -> None:
    """Its sample is older than the hour that is claimed, and it does not know yet that this is late."""
    (series_id,) = await make_series(since_noon, "a")
    async with since_noon.transaction() as work:
        job_id = await add_job(work)
        await SampleStore(work).record([sample(series_id, NOON + MINUTE, job_id=job_id)])
        run = asyncio.create_task(Rollups(since_noon).advance(NOON + 2 * HOUR))
        await _until_waiting(since_noon)
    await run
    await assert_equal_to_recomputation(since_noon, before=NOON + HOUR)
    assert (series_id, 0, NOON) in await kept_rollups(since_noon, "rollup_1h")


async def _until_waiting(database: Database) -> None:
    """Until somebody waits for an advisory lock; bounded by the test's timeout."""
    while True:
        async with database.transaction() as work:
            if await work.fetch("select 1 from pg_locks where locktype = 'advisory' and not granted"):
                return


async def test_writers_and_runs_at_once_end_in_what_is_stored(since_noon: Database) -> None:
    """Four writers with late samples and two that roll up, over five hours that end while they work."""
    ids = await make_series(since_noon, *(f"s{number}" for number in range(12)))
    is_writing = True

    async def write(seed: int) -> None:
        draw = random.Random(seed)
        for step in range(25):
            moments = [NOON + step * 12 * MINUTE - timedelta(minutes=draw.expovariate(1 / 40)) for _ in range(20)]
            outcomes = draw.choices(list(Outcome), [8, 1, 1, 1], k=20)
            batch = [
                sample(draw.choice(ids), moment, draw.lognormvariate(3, 1), outcome=outcome)
                for moment, outcome in zip(moments, outcomes, strict=True)
            ]
            await record(since_noon, [each for each in batch if each.reading.collected_at >= NOON])

    async def roll_up() -> int:
        hour, late = 0, 0
        while is_writing:
            hour = min(hour + 1, 5)
            late += (await Rollups(since_noon, series_at_once=5).advance(NOON + hour * HOUR + 3 * MINUTE)).late
        return late

    runs = [asyncio.create_task(roll_up()) for _ in range(2)]
    await asyncio.gather(*(write(seed) for seed in range(4)))
    is_writing = False
    late = sum(await asyncio.gather(*runs))
    late += (await Rollups(since_noon).advance(NOON + 5 * HOUR + 3 * MINUTE)).late
    assert late > 0
    await assert_equal_to_recomputation(since_noon, before=NOON + 5 * HOUR)


async def test_the_slots_of_sql_are_those_of_python(database: Database) -> None:
    """For numbers of every size and sign, and for those next to the edges of slots."""
    numbers = [0.0, -0.0, 1e-9, 9.9e-10, -1e-9, 1.0, -1.0, 1e308, 5e-324]
    numbers += [RANDOM.uniform(-1, 1) * 10 ** RANDOM.uniform(-12, 300) for _ in range(5000)]
    for edge in values_of(Sketch.from_counts(range(1, 3000), range(1, 3000)).slots) / 0.99:
        numbers += [float(edge), math.nextafter(edge, 0), math.nextafter(edge, math.inf)]
    async with database.transaction() as work:
        rows = await work.fetch(f"select {SLOT} from unnest($1::float8[]) with ordinality t(v, n) order by n", numbers)
    assert [row[0] for row in rows] == [slot_of(number) for number in numbers]

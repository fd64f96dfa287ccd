"""Statistics are those of a plain computation: exactly from samples, within 1 % from roll-ups."""

import math
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from rollup_model import set_watermark
from sample_data import NOON, entry, every, make_series, record, sample

from shared.domain.sample.answering import Limits
from shared.domain.sample.samples import Sample
from shared.domain.sample.segments import DAY, HOUR, floor_to
from shared.domain.sample.statistics import (
    Figures,
    StatsQuery,
    StatsQueryError,
    StatsTimeoutError,
    UnknownMetricError,
)
from shared.domain.target.outcome import Outcome
from shared.services.sample.rollups import Rollups
from shared.services.sample.statistics import Statistics
from shared.storage.database import Database
from shared.storage.sample.series_store import SeriesDirectory
from shared.storage.sample.statistics_store import limited_reading

MINUTE = timedelta(minutes=1)
NOW = NOON + 3 * DAY + 20 * MINUTE
RANDOM = random.Random(11)


def limits(most: int) -> Limits:
    return Limits(rows=most, chunks=most, samples=most)


class World:
    """Three days of four series, rolled up until the hour before the last."""

    def __init__(self, database: Database, samples: Sequence[Sample], names: dict[int, str]) -> None:
        self.database = database
        self.samples = samples
        self.names = names

    def expected(self, start: datetime, end: datetime, *names: str) -> list[Sample]:
        """The samples of some targets in a window, oldest first."""
        chosen = [
            each
            for each in self.samples
            if start <= each.reading.collected_at < end and self.names[each.series_id] in names
        ]
        return sorted(chosen, key=lambda each: each.reading.collected_at)


@pytest.fixture
async def world(database: Database) -> World:
    """Made afresh for each test."""
    await set_watermark(database, NOON - DAY)
    ids = await SeriesDirectory(database).resolve(
        [
            entry("https://a.example", team="web", tier="1"),
            entry("https://b.example", team="web", tier="2"),
            entry("https://c.example", team="shop"),
            entry("/var/log/app.log", kind="file", team="web"),
        ]
    )
    names = dict(zip(ids, ["a", "b", "c", "file"], strict=True))
    samples = [
        sample(
            series_id,
            NOON + step * 7 * MINUTE + timedelta(milliseconds=series_id),
            round(RANDOM.lognormvariate(3 + position, 1), 3),
            kind="file" if names[series_id] == "file" else "http",
            outcome=RANDOM.choices(list(Outcome), [90, 5, 4, 1])[0],
            metrics={"size_bytes": 1000.0 * step},
        )
        for position, series_id in enumerate(ids)
        for step in range(int((NOW - NOON) / (7 * MINUTE)))
    ]
    await record(database, samples)
    while (await Rollups(database).advance(NOW)).moved:
        pass
    return World(database, samples, names)


def assert_figures(figures: Figures, samples: Sequence[Sample], *, tolerance: float) -> None:
    """Everything but percentiles equals, up to the rounding of sums; these are within the tolerance."""
    values = [each.reading.duration_ms for each in samples if each.reading.outcome is not Outcome.ERROR]
    assert figures.count == len(samples)
    assert figures.outcomes == {each.value: sum(s.reading.outcome is each for s in samples) for each in Outcome}
    assert figures.mean == pytest.approx(sum(values) / len(values))
    assert (figures.min, figures.max) == (min(values), max(values))
    newest = [each for each in samples if each.reading.outcome is not Outcome.ERROR][-1].reading
    assert (figures.latest, figures.latest_at) == (newest.duration_ms, newest.collected_at)
    for percentile in (50, 95, 99):
        exact = sorted(values)[math.ceil(percentile / 100 * len(values)) - 1]
        assert figures.percentiles[f"p{percentile}"] == pytest.approx(exact, rel=tolerance or 1e-12)


@pytest.mark.parametrize(("max_exact", "tolerance", "kind"), [(10**6, 0.0, "exact"), (0, 0.0101, "approximate")])
async def test_any_window_equals_a_plain_computation(world: World, max_exact: int, tolerance: float, kind: str) -> None:
    """From samples alone and from roll-ups with edges of samples, for windows that cut hours and days anywhere."""
    statistics = Statistics(world.database, quick=limits(max_exact), patient=limits(max_exact))
    windows = [(NOON, NOW), (NOON + DAY, NOON + 2 * DAY), (NOW - HOUR, NOW)]
    for _ in range(12):
        start = NOON + RANDOM.random() * 2 * DAY
        windows.append((start, start + 2 * HOUR + RANDOM.random() * DAY))
    for start, end in windows:
        answer = await statistics.query(StatsQuery(start, end, group_by="target", kind="http"))
        assert (answer.percentiles, answer.start, answer.end) == (kind, start, end)
        for item, name in zip(answer.items, "abc", strict=True):
            assert (item.kind, item.target) == ("http", f"https://{name}.example")
            assert_figures(item.figures, world.expected(start, end, name), tolerance=tolerance)


@pytest.mark.parametrize("max_exact", [10**6, 0])
@pytest.mark.parametrize("bucket", [10 * MINUTE, HOUR, 5 * HOUR, DAY])
async def test_buckets_divide_the_window(world: World, max_exact: int, bucket: timedelta) -> None:
    """Across midnight, the first and the last cut by the window, and together they are the whole."""
    start, end = NOON + 9 * HOUR + 13 * MINUTE, NOON + 39 * HOUR + 5 * MINUTE
    statistics = Statistics(world.database, quick=limits(max_exact), patient=limits(max_exact))
    answer = await statistics.query(StatsQuery(start, end, kind="http", labels={"team": "web"}, bucket=bucket))
    (item,) = answer.items
    assert_figures(item.figures, world.expected(start, end, "a", "b"), tolerance=0.0101)
    starts = [each.start for each in item.buckets]
    assert starts == sorted(set(starts))
    assert starts[0] == floor_to(start, bucket)
    for each in item.buckets:
        assert floor_to(each.start, bucket) == each.start
        inside = world.expected(max(each.start, start), min(each.start + bucket, end), "a", "b")
        assert each.figures.count == len(inside)
    assert sum(each.figures.count for each in item.buckets) == item.figures.count


async def test_groups_are_kinds_targets_or_values_of_a_label(world: World) -> None:
    """Series without the label are left out."""
    statistics = Statistics(world.database)
    by_kind = await statistics.query(StatsQuery(NOON, NOW))
    by_team = await statistics.query(StatsQuery(NOON, NOW, group_by="label", group_label="team"))
    by_tier = await statistics.query(StatsQuery(NOON, NOW, group_by="label", group_label="tier"))
    assert [item.kind for item in by_kind.items] == ["file", "http"]
    assert [(item.kind, item.label) for item in by_team.items] == [(None, "shop"), (None, "web")]
    assert [item.label for item in by_tier.items] == ["1", "2"]
    assert by_team.items[1].figures.count == len(world.expected(NOON, NOW, "a", "b", "file"))


async def test_labels_and_target_choose_series(world: World) -> None:
    """All labels given must hold; a target is its whole name."""
    statistics = Statistics(world.database)
    labelled = await statistics.query(StatsQuery(NOON, NOW, labels={"team": "web", "tier": "2"}, group_by="target"))
    named = await statistics.query(StatsQuery(NOON, NOW, target="/var/log/app.log", group_by="target"))
    nobody = await statistics.query(StatsQuery(NOON, NOW, labels={"team": "nobody"}))
    assert [item.target for item in labelled.items] == ["https://b.example"]
    assert [item.target for item in named.items] == ["/var/log/app.log"]
    assert nobody.items == ()


@pytest.mark.parametrize("max_exact", [10**6, 0])
async def test_a_further_metric_is_answered_for_the_kinds_that_keep_it(world: World, max_exact: int) -> None:
    """A file's size from roll-ups or samples; HTTP's, which is not rolled up, from samples."""
    statistics = Statistics(world.database, quick=limits(max_exact), patient=limits(max_exact))
    for kind, count in (("file", 1), ("http", 3), (None, 4)):
        answer = await statistics.query(StatsQuery(NOON, NOW, kind=kind, metric="size_bytes"))
        found = sum(item.figures.count for item in answer.items)
        assert found == count * len(world.expected(NOON, NOW, "a"))
        assert max(item.figures.max or 0 for item in answer.items) > 1000


async def test_a_metric_that_no_sample_has_is_none(world: World) -> None:
    """The samples are still counted."""
    (item,) = (await Statistics(world.database).query(StatsQuery(NOON, NOW, metric="matches", kind="file"))).items
    assert item.figures.count == len(world.expected(NOON, NOW, "file"))
    assert (item.figures.mean, item.figures.latest, item.figures.percentiles["p50"]) == (None, None, None)


async def test_groups_are_bounded_and_it_is_said(world: World) -> None:
    """The first ones are shown; many buckets leave room for fewer groups."""
    few = await Statistics(world.database, max_groups=2).query(StatsQuery(NOON, NOW, group_by="target"))
    all_of_them = await Statistics(world.database).query(StatsQuery(NOON, NOW, group_by="target"))
    assert (len(few.items), few.is_truncated) == (2, True)
    assert (len(all_of_them.items), all_of_them.is_truncated) == (4, False)


async def test_where_samples_are_gone_hours_answer_for_the_edges(world: World) -> None:
    """The answer says that it starts a little earlier."""
    async with world.database.transaction() as work:
        await work.run("update rollup_state set samples_from = $1", NOON + 2 * DAY + 12 * HOUR)
        await work.run("delete from sample where ts < $1", NOON + 2 * DAY + 12 * HOUR)
    answer = await Statistics(world.database).query(StatsQuery(NOON + 90 * MINUTE, NOW, kind="http"))
    assert answer.start == NOON + HOUR
    assert answer.percentiles == "approximate"
    assert answer.items[0].figures.count == len(world.expected(NOON + HOUR, NOW, "a", "b", "c"))


async def test_bad_questions_are_refused(world: World) -> None:
    """Before the database is asked."""
    statistics = Statistics(world.database)
    with pytest.raises(UnknownMetricError, match="first_byte_ms"):
        await statistics.query(StatsQuery(NOON, NOW, kind="http", metric="rows"))
    with pytest.raises(StatsQueryError, match="empty"):
        await statistics.query(StatsQuery(NOW, NOON))


async def test_a_new_database_answers_with_nothing(database: Database) -> None:
    """No series, no sample, no watermark yet."""
    answer = await Statistics(database).query(StatsQuery(NOON, NOW))
    assert (answer.items, answer.percentiles) == ((), "exact")


async def test_samples_are_counted_as_soon_as_they_are_written(database: Database) -> None:
    """No roll-up has run yet."""
    (series_id,) = await make_series(database, "a")
    await record(database, every(series_id, MINUTE, [1.0, 2.0, 3.0]))
    (item,) = (await Statistics(database).query(StatsQuery(NOON, NOON + HOUR))).items
    assert (item.figures.count, item.figures.mean, item.figures.latest) == (3, 2.0, 3.0)


async def test_a_question_that_takes_too_long_is_given_up(database: Database) -> None:
    """By the database itself, so that nothing goes on unseen."""

    async def ask() -> None:
        async with limited_reading(database, patience=timedelta(milliseconds=50)) as work:
            await work.run("select pg_sleep(30)")

    with pytest.raises(StatsTimeoutError, match="shorter window"):
        await ask()


async def test_percentiles_are_named_as_they_were_asked_for(world: World) -> None:
    """In their order."""
    answer = await Statistics(world.database).query(StatsQuery(NOON, NOW, percentiles=(99.9, 25)))
    assert list(answer.items[0].figures.percentiles) == ["p99.9", "p25"]

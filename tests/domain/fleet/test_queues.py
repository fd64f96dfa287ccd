"""When a queue is empty, and when it takes no more."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.fleet.queues import (
    Flow,
    ForecastReason,
    QueueFigures,
    QueueSettings,
    Refusal,
    decide_intake,
    forecast_drain,
    start_delay_seconds,
)
from shared.domain.job.jobs import BlockReason

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OPEN = QueueSettings()


def figures(**values: Any) -> QueueFigures:
    return QueueFigures(**{"measured_at": NOW, "workers": 2, "slots": 40} | values)


def test_a_queue_drains_at_the_difference_of_its_rates() -> None:
    """600 wait, 20 a second end, 10 a second come: a minute, give or take what a minute's counting can be off by."""
    forecast = forecast_drain(figures(waiting=600, arrivals=Flow(600), ends=Flow(1200)), OPEN)
    assert (forecast.reason, forecast.seconds) == (ForecastReason.DRAINS, 60.0)
    # The deviation of both counts is √1800 a minute, of a surplus of 600.
    assert forecast.uncertainty_seconds == pytest.approx(60 * 1800**0.5 / 600)


@pytest.mark.parametrize(
    ("values", "settings", "reason"),
    [
        ({}, OPEN, ForecastReason.EMPTY),
        ({"waiting": 1, "ends": Flow(60)}, QueueSettings(paused_at=NOW), ForecastReason.PAUSED),
        ({"waiting": 1, "ends": Flow(60), "workers": 0}, OPEN, ForecastReason.NO_WORKERS),
        ({"waiting": 1}, OPEN, ForecastReason.NOTHING_ENDS),
        ({"waiting": 1, "ends": Flow(60), "arrivals": Flow(60)}, OPEN, ForecastReason.ARRIVALS_OUTPACE_SERVICE),
    ],
)
def test_why_a_queue_is_never_empty_is_named(
    values: dict[str, Any], settings: QueueSettings, reason: ForecastReason
) -> None:
    """A forecast without a time says why it has none."""
    forecast = forecast_drain(figures(**values), settings)
    assert forecast.reason is reason
    assert forecast.seconds == (0.0 if reason is ForecastReason.EMPTY else None)


def test_a_draining_queue_is_forecast_without_arrivals() -> None:
    """It takes nothing more."""
    draining = QueueSettings(draining_at=NOW)
    forecast = forecast_drain(figures(waiting=600, arrivals=Flow(6000), ends=Flow(600)), draining)
    assert (forecast.reason, forecast.seconds) == (ForecastReason.DRAINS, 60.0)


@pytest.mark.parametrize(
    ("depth", "count", "limit", "refusal"),
    [(9, 1, None, None), (10, 1, None, Refusal.FULL), (9, 2, None, Refusal.FULL), (10, 1, 20, None)],
)
def test_a_queue_takes_as_many_as_its_limit(depth: int, count: int, limit: int | None, refusal: Refusal | None) -> None:
    """The queue's own limit goes before the default of ten; a batch is taken whole or not."""
    settings = QueueSettings(admission_limit=limit)
    assert decide_intake(figures(waiting=depth), settings, count=count, default_limit=10).refusal is refusal


def test_held_jobs_fill_a_queue_too() -> None:
    """A paused queue has a bound as well."""
    held = figures(waiting=4, blocked={BlockReason.PAUSED: 6})
    assert decide_intake(held, OPEN, count=1, default_limit=10).refusal is Refusal.FULL


@pytest.mark.parametrize(
    ("count", "ends", "seconds"),
    [(1, Flow(60), 1), (30, Flow(60), 30), (30, Flow(600), 3), (1, Flow(0), 60), (10_000, Flow(1), 300)],
)
def test_the_time_to_wait_follows_from_how_fast_jobs_end(count: int, ends: Flow, seconds: int) -> None:
    """As long as it takes until there is room, up to five minutes; a minute when nothing was measured."""
    full = figures(waiting=100_000, ends=ends)
    assert decide_intake(full, OPEN, count=count, default_limit=100_000).retry_after_seconds == seconds


def test_a_draining_queue_takes_nothing() -> None:
    """Until what is there has ended."""
    intake = decide_intake(
        figures(waiting=120, ends=Flow(60)), QueueSettings(draining_at=NOW), count=1, default_limit=9
    )
    assert (intake.refusal, intake.retry_after_seconds) == (Refusal.DRAINING, 120)


@pytest.mark.parametrize(
    ("waiting", "ends", "seconds"), [(0, Flow(0), 1.0), (500, Flow(0), 1.0), (0, Flow(60), 0.0), (90, Flow(180), 30.0)]
)
def test_a_job_starts_when_those_before_it_have(waiting: int, ends: Flow, seconds: float) -> None:
    """What is held back is not before it; nothing is made up while nothing is known."""
    held = {BlockReason.PAUSED: 70}
    assert start_delay_seconds(figures(waiting=waiting, blocked=held, ends=ends)) == seconds


def test_the_age_of_the_oldest_is_never_negative() -> None:
    """The clocks of an API and of its database differ a little."""
    assert figures(oldest_at=NOW + timedelta(seconds=1)).oldest_seconds == 0.0
    assert figures(oldest_at=NOW - timedelta(seconds=5)).oldest_seconds == 5.0

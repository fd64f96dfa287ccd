"""Figures: the numbers that rules ask of a monitor, each an aggregate of samples over a window."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.domain.durations import Duration
from shared.domain.forms import AGGREGATE, METRIC_NAME
from shared.domain.target.outcome import Outcome

MAX_WINDOW = timedelta(days=31)


class Aggregate(StrEnum):
    """What is made of the values of a window; a percentile is `p` and a number, such as `p95` or `p99.9`."""

    COUNT = "count"
    """How many samples; with an outcome, how many of it."""
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    LATEST = "latest"
    """The newest value; the one figure that needs no window."""
    RATE = "rate"
    """By how much a counter grew, a second; a fall is a reset, as in Prometheus."""
    INCREASE = "increase"
    UPTIME = "uptime"
    """(up + degraded) / (up + degraded + down) of the samples, in percent."""
    BURN_RATE = "burn_rate"
    """How many times faster than allowed the error budget of an `objective` is spent (Google's SRE workbook)."""


class Part(BaseModel):
    """What conditions are made of: frozen, and refusing what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


Window = Annotated[Duration, Field(ge=timedelta(seconds=1), le=MAX_WINDOW)]


class Figure(Part):
    """One number of a monitor: an aggregate of a metric over the window that ends now."""

    aggregate: Annotated[str, Field(pattern=AGGREGATE, examples=["p95"])]
    metric: Annotated[str | None, Field(pattern=METRIC_NAME, examples=["duration_ms"])] = None
    window: Window | None = None
    outcome: Outcome | None = None
    objective: Annotated[float | None, Field(gt=0, lt=100, description="In percent, of a burn rate.")] = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_figure(self)
        return self

    @property
    def percentile(self) -> float | None:
        """The percentile, 0 to 100, if it is one."""
        return float(self.aggregate[1:]) if self.aggregate[1:2].isdigit() else None


def _check_figure(figure: Figure) -> None:
    aggregate = figure.aggregate
    if aggregate in {Aggregate.UPTIME, Aggregate.BURN_RATE, Aggregate.COUNT}:
        if figure.metric is not None:
            raise PydanticCustomError("figure", "{aggregate} is of samples, not of a metric", {"aggregate": aggregate})
    elif figure.metric is None:
        raise PydanticCustomError("figure", "{aggregate} needs a metric", {"aggregate": aggregate})
    if figure.window is None and aggregate != Aggregate.LATEST:
        raise PydanticCustomError("figure", "{aggregate} needs a window", {"aggregate": aggregate})
    if figure.outcome is not None and aggregate != Aggregate.COUNT:
        raise PydanticCustomError("figure", "an outcome goes with count only")
    if (figure.objective is not None) != (aggregate == Aggregate.BURN_RATE):
        raise PydanticCustomError("figure", "a burn rate needs an objective, and nothing else has one")

"""What a rule asks of a monitor over time: its condition, as JSON. `expressions` writes the same in one line."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from shared.domain.durations import Duration
from shared.domain.forms import AGGREGATE, FIGURE_NAME, METRIC_NAME, PRINTABLE
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome

MAX_WINDOW = timedelta(days=31)
MAX_PARTS = 20
"""How many conditions one rule may be made of; one in CEL counts as many as it names figures."""
MAX_DEPTH = 6
"""How deep `all` and `any` may stand in each other."""


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


class Operator(StrEnum):
    """How a figure is compared."""

    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    EQUAL = "=="
    NOT_EQUAL = "!="


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


Window = Annotated[Duration, Field(ge=timedelta(seconds=1), le=MAX_WINDOW)]


class Figure(_Part):
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


class Comparison(_Part):
    """A figure compared with a number in the metric's own unit; met until it is back at `recover`, if that is given."""

    figure: Figure
    op: Operator
    value: Annotated[float, Field(allow_inf_nan=False)]
    recover: Annotated[
        float | None, Field(allow_inf_nan=False, description="Once met, it stays so until the figure is back here.")
    ] = None

    @model_validator(mode="after")
    def _is_recovery_beyond(self) -> Self:
        if self.recover is None:
            return self
        above = self.op in {Operator.GREATER, Operator.GREATER_OR_EQUAL}
        below = self.op in {Operator.LESS, Operator.LESS_OR_EQUAL}
        if (above and self.recover <= self.value) or (below and self.recover >= self.value):
            return self
        raise PydanticCustomError(
            "recovery", "recover has to lie on the good side of value, and needs one of > >= < <="
        )


class StateIs(_Part):
    """How the monitor stands is one of these."""

    state: Annotated[list[Literal["up", "degraded", "down", "no_data"]], Field(min_length=1, max_length=4)]

    @property
    def states(self) -> frozenset[MonitorState]:
        """The states themselves."""
        return frozenset(MonitorState(state) for state in self.state)


class Absent(_Part):
    """No sample came for this long: a duration, or a number of the monitor's own intervals."""

    absent: Window | None = None
    intervals: Annotated[int | None, Field(ge=1, le=1000)] = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.absent is None) == (self.intervals is None):
            raise PydanticCustomError("absent", "give absent or intervals, one of the two")
        return self


class Slo(_Part):
    """The error budget of an objective, in percent, burns fast: 14.4 times over 1 h and 5 m, or 6 over 6 h and 30 m.

    The factors and windows are those of Google's SRE workbook.
    """

    slo: Annotated[float, Field(gt=0, lt=100)]


class Cel(_Part):
    """An expression of the Common Expression Language over named figures and the variable `state`."""

    cel: Annotated[str, Field(min_length=1, max_length=500, pattern=PRINTABLE)]
    let: Annotated[dict[Annotated[str, Field(pattern=FIGURE_NAME)], Figure], Field(max_length=10)] = Field(
        default_factory=dict
    )


class AllOf(_Part):
    """All of these are met."""

    all: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_PARTS)]

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        _check_size(self)
        return self


class AnyOf(_Part):
    """At least one of these is met."""

    any: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_PARTS)]

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        _check_size(self)
        return self


_NAMED_BY = {
    "figure": "comparison",
    "state": "state",
    "absent": "absent",
    "intervals": "absent",
    "slo": "slo",
    "cel": "cel",
    "all": "all",
    "any": "any",
}
_KIND_OF_MODEL: dict[type, str] = {
    Comparison: "comparison",
    StateIs: "state",
    Absent: "absent",
    Slo: "slo",
    Cel: "cel",
    AllOf: "all",
    AnyOf: "any",
}


def _kind_of(value: Any) -> str | None:  # noqa: ANN401 - any JSON, or a condition itself
    """Which condition is meant, by the member that only it has: so that a mistake is told of that one alone."""
    if isinstance(value, dict):
        return next((kind for member, kind in _NAMED_BY.items() if member in value), None)
    return _KIND_OF_MODEL.get(type(value))


Condition = Annotated[
    Annotated[Comparison, Tag("comparison")]
    | Annotated[StateIs, Tag("state")]
    | Annotated[Absent, Tag("absent")]
    | Annotated[Slo, Tag("slo")]
    | Annotated[Cel, Tag("cel")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")],
    Discriminator(
        _kind_of,
        custom_error_type="condition_kind",
        custom_error_message="a condition has one of figure, state, absent, intervals, slo, cel, all or any",
    ),
]


def leaves_of(condition: Condition) -> Iterator[Condition]:
    """The conditions that are not made of others, in their order."""
    match condition:
        case AllOf(all=parts) | AnyOf(any=parts):
            for part in parts:
                yield from leaves_of(part)
        case _:
            yield condition


def _check_size(condition: Condition) -> None:
    if sum(_weight(leaf) for leaf in leaves_of(condition)) > MAX_PARTS:
        raise PydanticCustomError("condition_size", "a condition has {most} parts in all at most", {"most": MAX_PARTS})
    if _depth(condition) > MAX_DEPTH:
        raise PydanticCustomError("condition_depth", "all and any stand {most} deep at most", {"most": MAX_DEPTH})


def _weight(leaf: Condition) -> int:
    return max(1, len(leaf.let)) if isinstance(leaf, Cel) else 1


def _depth(condition: Condition) -> int:
    match condition:
        case AllOf(all=parts) | AnyOf(any=parts):
            return 1 + max(map(_depth, parts))
    return 0


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


AllOf.model_rebuild()
AnyOf.model_rebuild()

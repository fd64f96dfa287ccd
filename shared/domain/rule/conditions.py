"""What a rule asks of a monitor over time: its condition, as JSON. `expressions` writes the same in one line."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from shared.domain.forms import FIGURE_NAME, PRINTABLE
from shared.domain.monitor.standing import MonitorState
from shared.domain.rule.figures import Figure, Part, Window

MAX_PARTS = 20
"""How many conditions one rule may be made of; one in CEL counts as many as it names figures."""
MAX_DEPTH = 6
"""How deep `all` and `any` may stand in each other."""


class Operator(StrEnum):
    """How a figure is compared."""

    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    EQUAL = "=="
    NOT_EQUAL = "!="


class Comparison(Part):
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


class StateIs(Part):
    """How the monitor stands is one of these."""

    state: Annotated[list[Literal["up", "degraded", "down", "no_data"]], Field(min_length=1, max_length=4)]

    @property
    def states(self) -> frozenset[MonitorState]:
        """The states themselves."""
        return frozenset(MonitorState(state) for state in self.state)


class Absent(Part):
    """No sample came for this long: a duration, or a number of the monitor's own intervals."""

    absent: Window | None = None
    intervals: Annotated[int | None, Field(ge=1, le=1000)] = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.absent is None) == (self.intervals is None):
            raise PydanticCustomError("absent", "give absent or intervals, one of the two")
        return self


class Slo(Part):
    """The error budget of an objective, in percent, burns fast: 14.4 times over 1 h and 5 m, or 6 over 6 h and 30 m.

    The factors and windows are those of Google's SRE workbook.
    """

    slo: Annotated[float, Field(gt=0, lt=100)]


class Cel(Part):
    """An expression of the Common Expression Language over named figures and the variable `state`."""

    cel: Annotated[str, Field(min_length=1, max_length=500, pattern=PRINTABLE)]
    let: Annotated[dict[Annotated[str, Field(pattern=FIGURE_NAME)], Figure], Field(max_length=10)] = Field(
        default_factory=dict
    )


class AllOf(Part):
    """All of these are met."""

    all: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_PARTS)]

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        _check_size(self)
        return self


class AnyOf(Part):
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


AllOf.model_rebuild()
AnyOf.model_rebuild()

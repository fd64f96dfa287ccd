"""What a set of monitors looks like that is planned and applied as a whole, and what it comes to."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from api.problems import invalid_input
from api.schemas.jobs import View
from api.schemas.monitors import MONITOR_SPEC
from api.validation import MAX_ERRORS, mistakes_of
from shared.domain.forms import PRINTABLE
from shared.domain.monitor.monitor_plans import Change, MonitorPlan
from shared.domain.monitor.monitors import MonitorSpec

MAX_WANTED = 20_000


class MonitorPlanBody(BaseModel):
    """All monitors of an owner, as they are to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    owner: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=PRINTABLE,
            description="Whose monitors these are; those of others are left alone.",
        ),
    ]
    adopt: Annotated[bool, Field(description="Take over monitors of these names that belong to others.")] = False
    monitors: Annotated[list[Any], Field(max_length=MAX_WANTED)]


class MonitorApplyBody(MonitorPlanBody):
    """The same with the digest of its plan."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="The plan's.")]


PLAN: TypeAdapter[MonitorPlanBody] = TypeAdapter(MonitorPlanBody)
APPLY: TypeAdapter[MonitorApplyBody] = TypeAdapter(MonitorApplyBody)


class FieldChangeView(View):
    """A field that changes; what is secret is masked on both sides."""

    field: str = Field(description="Its path, such as `target.timeout`.")
    before: Any
    after: Any


class MonitorChangeView(View):
    """What becomes of one monitor."""

    action: Literal["create", "update", "delete", "conflict"]
    group: str
    name: str
    id: UUID | None = Field(description="Of the monitor that there is.")
    fields: list[FieldChangeView]
    reason: str | None = Field(description="Why it is in conflict.")


class MonitorPlanView(View):
    """All that changes, in the order of groups and names."""

    digest: str = Field(description="What `:apply` is given, so that it carries out just this plan.")
    unchanged: int
    changes: list[MonitorChangeView]


def read_wanted(items: list[Any]) -> list[MonitorSpec]:
    """The monitors of a body; all mistakes are told at once, each with its pointer.

    Raises:
        ProblemError: some of them are none.
    """
    wanted, mistakes = [], []
    for index, item in enumerate(items):
        try:
            wanted.append(MONITOR_SPEC.validate_json(to_json(item)))
        except ValidationError as error:
            mistakes += mistakes_of(error, prefix=f"/monitors/{index}")
            if len(mistakes) >= MAX_ERRORS:
                break
    if mistakes:
        raise invalid_input(mistakes[:MAX_ERRORS])
    return wanted


def plan_json(plan: MonitorPlan) -> dict[str, object]:
    """The plan as `MonitorPlanView` describes it."""
    return {
        "digest": plan.digest,
        "unchanged": plan.unchanged,
        "changes": [_change_json(change) for change in plan.changes],
    }


def _change_json(change: Change) -> dict[str, object]:
    group, name = change.key
    return {
        "action": change.action.value,
        "group": group,
        "name": name,
        "id": None if change.existing is None else str(change.existing.monitor_id),
        "fields": [{"field": each.field, "before": each.before, "after": each.after} for each in change.fields],
        "reason": change.reason,
    }

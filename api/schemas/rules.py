"""What rules look like, and how they are asked for."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.forms import PRINTABLE
from shared.domain.rule.conditions import Condition
from shared.domain.rule.rule_documents import shown_of
from shared.domain.rule.rules import EscalationStep, FlappingSpec, Rule
from shared.storage.rule.rule_reading import RuleVersion

RULES_PATH = "/api/v1/rules"

_Text = Annotated[str, Field(max_length=200, pattern=PRINTABLE)]
_Severity = Literal["info", "warning", "critical"]


class RuleListQuery(QueryModel):
    """Which rules to list."""

    q: Annotated[_Text | None, Field(min_length=1, description="A part of the name, in any case.")] = None
    enabled: Annotated[bool | None, Field(description="Only those that are enabled, or only the others.")] = None
    severity: list[_Severity] = Field(default_factory=list, max_length=3, description="Any of these severities.")
    owner: Annotated[_Text | None, Field(description="Made by the file of this owner.")] = None
    channel: Annotated[_Text | None, Field(description="That tell this channel, by its name.")] = None
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class RuleVersionListQuery(QueryModel):
    """How many of a rule's versions to list."""

    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class RuleFieldsView(View):
    """A rule as it was said, its condition both in one line and as JSON."""

    name: str
    description: str
    selector: str
    expression: str
    condition: Condition
    for_: str = Field(alias="for")
    keep_firing_for: str
    severity: _Severity
    labels: dict[str, str]
    annotations: dict[str, str]
    channels: list[str]
    no_data: Literal["keep", "ok", "firing"]
    flapping: FlappingSpec | None
    escalation: list[EscalationStep]
    enabled: bool


class OpenAlertsView(View):
    """How many alerts of a rule are open."""

    firing: int
    pending: int


class RuleLinks(View):
    """Where more is told about a rule."""

    self: str
    versions: str
    alerts: str


class RuleView(RuleFieldsView):
    """A rule and how many of its alerts are open."""

    id: UUID
    alerts: OpenAlertsView
    owner: str | None = Field(description="The owner of the file that made it; null when it was made by hand.")
    version: int = Field(description="Grows with each change of the rule; the entity tag begins with it.")
    created_at: datetime
    updated_at: datetime
    created_by: str
    links: RuleLinks


class RuleDetailView(RuleView):
    """The same with how many monitors it judges, which is no part of the entity tag."""

    monitors: int = Field(description="How many it selects now, of the kinds that have all its metrics.")


class RulePage(View):
    """Rules in the order of their names."""

    items: list[RuleView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


class RuleVersionView(View):
    """A rule as it once was."""

    version: int
    at: datetime
    by: str
    rule: RuleFieldsView


class RuleVersionPage(View):
    """A rule's versions, the newest first."""

    items: list[RuleVersionView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def rule_json(rule: Rule, open_alerts: dict[str, int]) -> dict[str, Any]:
    """A rule as `RuleView` describes it."""
    path = f"{RULES_PATH}/{rule.rule_id}"
    return {
        "id": str(rule.rule_id),
        **shown_of(rule.spec),
        "alerts": {state: open_alerts.get(state, 0) for state in ("firing", "pending")},
        "owner": rule.owner,
        "version": rule.version,
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
        "created_by": rule.created_by,
        "links": {"self": path, "versions": f"{path}/versions", "alerts": f"/api/v1/alerts?rule={rule.rule_id}"},
    }


def rule_version_json(version: RuleVersion) -> dict[str, Any]:
    """A version as `RuleVersionView` describes it."""
    return {"version": version.version, "at": version.at, "by": version.by, "rule": shown_of(version.spec)}

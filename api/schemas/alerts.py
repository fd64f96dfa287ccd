"""What alerts look like, and how they are asked for and acknowledged."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.config import JsonDict

from api.schemas.jobs import View
from api.schemas.moments import Moment
from api.schemas.queries import Cursor, QueryModel
from shared.domain.alert.alerts import AlertState
from shared.domain.forms import PRINTABLE
from shared.domain.matchers import Matcher, Matchers, MatcherText, MatchOperator, parse_matchers
from shared.domain.monitor.monitors import GroupName
from shared.services.alert.alerts import MAX_ACKNOWLEDGED
from shared.storage.alert.alert_filter import AlertFilter

ALERTS_PATH = "/api/v1/alerts"
MAX_NOTE = 2_000
MAX_MATCH = 500
MAX_TEXTS = 5
"""With all of them at their longest, written in percent, an address is still one that servers take (64 KiB)."""

_ONE_OF: JsonDict = {
    "oneOf": [
        {"required": ["ids"], "properties": {"ids": {"type": "array"}}},
        {"required": ["where"], "properties": {"where": {"type": "object"}}},
    ]
}
SeverityName = Annotated[str, Field(max_length=100, pattern=PRINTABLE)]
Note = Annotated[
    str | None,
    Field(max_length=MAX_NOTE, description="What whoever looks next should know."),
]


class AlertSelection(QueryModel):
    """Which alerts are meant; all that is given has to hold."""

    state: list[AlertState] = Field(default_factory=list, max_length=3, description="Any of these states.")
    severity: list[SeverityName] = Field(
        default_factory=list, max_length=MAX_TEXTS, description="Any of these severities."
    )
    rule: Annotated[UUID | None, Field(description="Of this rule.")] = None
    monitor: Annotated[UUID | None, Field(description="Of this monitor.")] = None
    group: Annotated[GroupName | None, Field(description="Of monitors of this group.")] = None
    match: list[Annotated[MatcherText, Field(max_length=MAX_MATCH)]] = Field(
        default_factory=list, max_length=MAX_TEXTS, description='Labels, as matchers: `team=web`, `host=~"db.*"`.'
    )
    since: Annotated[Moment | None, Field(description="Open at this moment or later.")] = None
    until: Annotated[Moment | None, Field(description="Begun before this moment.")] = None

    def filter_of(self, *, has_fired: bool | None = None, is_acknowledged: bool | None = None) -> AlertFilter:
        """The alerts that are meant."""
        terms = [term for text in self.match for term in parse_matchers(text).terms]
        if self.group is not None:
            terms.append(Matcher("group", MatchOperator.EQUAL, self.group))
        return AlertFilter(
            states=frozenset(self.state),
            severities=frozenset(self.severity),
            rule_id=self.rule,
            monitor_id=self.monitor,
            matchers=Matchers(tuple(terms)),
            has_fired=has_fired,
            is_acknowledged=is_acknowledged,
            since=self.since,
            until=self.until,
        )


class AlertListQuery(AlertSelection):
    """Which alerts to list."""

    acknowledged: Annotated[bool | None, Field(description="Only those somebody has seen, or only the others.")] = None
    fired: Annotated[
        bool | None,
        Field(description="Only those that fired, or only those that never did; unless told, all but those that ended "
                          "without having fired."),
    ] = None  # fmt: skip
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AcknowledgeBody(_Body):
    """Says that somebody has seen an alert."""

    note: Note = None


class BulkAcknowledgeBody(_Body):
    """Says that somebody has seen alerts: those of these ids, or all open ones that are meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_ONE_OF)

    ids: Annotated[list[UUID], Field(max_length=MAX_ACKNOWLEDGED)] | None = None
    where: Annotated[AlertSelection | None, Field(description="Empty for all that are open.")] = None
    note: Note = None


ACKNOWLEDGE: TypeAdapter[AcknowledgeBody] = TypeAdapter(AcknowledgeBody)
BULK_ACKNOWLEDGE: TypeAdapter[BulkAcknowledgeBody] = TypeAdapter(BulkAcknowledgeBody)


class AcknowledgementView(View):
    """Who has seen an alert, and when."""

    at: datetime
    by: str
    note: str | None


class AlertLinks(View):
    """Where more is told of an alert; null where there is nothing more, or no longer."""

    self: str
    explain: str
    rule: str | None
    monitor: str | None


class AlertView(View):
    """One life of a rule's condition on one monitor, or an alert that was sent in."""

    id: UUID
    name: str = Field(description="The rule's name, and the label `alertname`.")
    severity: str
    state: AlertState
    reason: str = Field(description="Why it is in this state.")
    flapping: bool = Field(description="It fired too often of late, and is kept firing until it has been quiet.")
    source: Literal["rule", "inbound"]
    rule_id: UUID | None
    rule_version: int | None = Field(description="The version of the rule that judged it.")
    monitor_id: UUID | None
    labels: dict[str, str]
    annotations: dict[str, str]
    evidence: dict[str, Any] = Field(description="The numbers it was judged by.")
    started_at: datetime = Field(description="When its condition was first met.")
    fired_at: datetime | None
    resolved_at: datetime | None
    expires_at: datetime | None = Field(description="When one that was sent in ends unless it is repeated.")
    acknowledged: AcknowledgementView | None
    escalated: int = Field(description="How many steps of the escalation were taken.")
    escalate_at: datetime | None
    generator_url: str | None
    fingerprint: str
    version: int
    links: AlertLinks


class AlertEventView(View):
    """Something that happened to an alert."""

    at: datetime
    kind: str = Field(description="A transition, or what was done by a person or the escalation.")
    reason: str | None
    by: str | None
    detail: dict[str, Any] | None


class AlertDetailView(AlertView):
    """An alert with its history, the oldest first; of a very long one the latest 500."""

    events: list[AlertEventView]


class AlertPage(View):
    """Alerts, the newest first; a page may be short, or empty, where many have to be looked at."""

    items: list[AlertView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


class AlertCounts(View):
    """How many alerts are open."""

    firing: int
    pending: int
    acknowledged: int = Field(description="How many of all these somebody has seen.")


class AlertSummaryView(AlertCounts):
    """How many alerts are open, in all and by severity."""

    severities: dict[str, AlertCounts]


class BulkAcknowledgedView(View):
    """How many alerts were acknowledged; with `more` there are others: send the request again."""

    acknowledged: int
    more: bool

"""An alert rule: which monitors it judges, by which condition, and who is told; as it is written and kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.alert import alerts
from shared.domain.alert.alerts import NoData, Severity, Timing
from shared.domain.durations import Duration
from shared.domain.forms import PRINTABLE
from shared.domain.matchers import Matchers, MatcherText, labels_of_monitor, parse_matchers
from shared.domain.numbers import WHOLE
from shared.domain.rule.conditions import Condition
from shared.domain.target.targets import LabelName, Labels

MAX_RULES = 1_000
MAX_FOR = timedelta(days=31)

_Span = Annotated[Duration, Field(le=MAX_FOR)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
Annotations = Annotated[dict[LabelName, Annotated[str, Field(max_length=4000)]], Field(max_length=20)]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, validate_by_name=True
    )


class EscalationStep(_Model):
    """Who is told too when nobody has acknowledged in time."""

    after: Annotated[Duration, Field(ge=timedelta(seconds=1), le=MAX_FOR)]
    channels: Annotated[list[Name], Field(min_length=1, max_length=20)]


class FlappingSpec(_Model):
    """When a rule's alerts are taken to flap, and how long they must be quiet then."""

    fires: Annotated[int, Field(ge=2, le=alerts.MAX_FIRES), WHOLE] = 3
    within: Annotated[Duration, Field(ge=timedelta(seconds=1), le=MAX_FOR)] = timedelta(minutes=15)
    hold: _Span = timedelta(minutes=5)


class RuleFields(_Model):
    """What a rule is beside its condition. Its name tells it from all others, and is its alerts' `alertname`."""

    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    selector: Annotated[
        MatcherText,
        Field(
            description="Matchers of the monitors it judges; all when empty.", json_schema_extra={"format": "matchers"}
        ),
    ] = ""
    for_: Annotated[_Span, Field(alias="for", description="How long the condition has to be met.")] = timedelta(0)
    keep_firing_for: Annotated[_Span, Field(description="How long it goes on firing once it is not met.")] = timedelta(
        0
    )
    severity: Literal["info", "warning", "critical"] = "warning"
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)
    channels: Annotated[list[Name], Field(max_length=20)] = Field(default_factory=list)
    no_data: Annotated[Literal["keep", "ok", "firing"], Field(description="What follows where nothing is known.")] = (
        "keep"
    )
    flapping: FlappingSpec | None = FlappingSpec()
    escalation: Annotated[list[EscalationStep], Field(max_length=10)] = Field(default_factory=list)
    enabled: bool = True


class RuleSpec(RuleFields):
    """A rule as it is kept."""

    condition: Condition

    @property
    def timing(self) -> Timing:
        """The durations and policies that an alert's life is decided by."""
        flapping = self.flapping
        return Timing(
            for_=self.for_,
            keep_firing_for=self.keep_firing_for,
            no_data=NoData(self.no_data),
            flapping=None if flapping is None else alerts.Flapping(flapping.fires, flapping.within, flapping.hold),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it stands; `version` grows with each change, and an alert keeps the one that judged it."""

    rule_id: UUID
    version: int
    spec: RuleSpec
    owner: str | None
    created_at: datetime
    updated_at: datetime
    created_by: str

    @property
    def selector(self) -> Matchers:
        """Which monitors it judges."""
        return parse_matchers(self.spec.selector)

    @property
    def severity(self) -> Severity:
        """How much its alerts matter."""
        return Severity(self.spec.severity)

    def alert_labels(self, name: str, group: str, kind: str, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of its alert on a monitor: the monitor's, then the rule's, then what it is known by."""
        seen = labels_of_monitor(name, group, kind, labels)
        return {**seen, **self.spec.labels, "alertname": self.spec.name, "severity": self.spec.severity}

"""What is asked when a rule is tested over what is stored, and what comes of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.schemas.jobs import View
from api.schemas.moments import Moment
from shared.domain.alert.alerts import AlertState
from shared.domain.durations import Duration
from shared.domain.judging.backtest import PastAlert
from shared.domain.judging.judgements import CompiledRule
from shared.domain.rule.rule_documents import RuleDocument
from shared.services.judging.backtest import BacktestResult, MonitorBacktest

MAX_SHOWN = 1_000
"""How many alerts, and how many monitors, one answer names."""
_ONE_OF: JsonDict = {
    "oneOf": [
        {"required": ["rule"], "properties": {"rule": {"type": "object"}, "rule_id": {"type": "null"}}},
        {"required": ["rule_id"], "properties": {"rule_id": {"type": "string"}, "rule": {"type": "null"}}},
    ]
}


class RuleTestBody(BaseModel):
    """A rule to be tested over what is stored: one that is said here, or one that there is."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, json_schema_extra=_ONE_OF)

    rule: Annotated[RuleDocument | None, Field(description="As it would be made; nothing is made.")] = None
    rule_id: Annotated[UUID | None, Field(description="The rule as it is now.")] = None
    from_: Annotated[Moment | None, Field(alias="from", description="The first moment that is judged.")] = None
    to: Annotated[Moment | None, Field(description="The end, not included; now unless told.")] = None
    window: Annotated[
        Duration | None, Field(ge=timedelta(seconds=1), description="How long, instead of `from`; a day unless told.")
    ] = None

    @model_validator(mode="after")
    def _is_one(self) -> "RuleTestBody":
        if (self.rule is None) == (self.rule_id is None):
            raise PydanticCustomError("rule_given", "give rule or rule_id, one of the two")
        if self.from_ is not None and self.window is not None:
            raise PydanticCustomError("time_given", "give from or window, not both")
        return self


RULE_TEST: TypeAdapter[RuleTestBody] = TypeAdapter(RuleTestBody)


class PastAlertView(View):
    """An alert that there would have been."""

    monitor: UUID
    labels: dict[str, str]
    state: AlertState = Field(description="Where it stood at the end of the time.")
    started_at: datetime = Field(description="When its condition was first met.")
    fired_at: datetime | None
    ended_at: datetime | None = Field(description="Null where it was open at the end.")
    seconds: float = Field(description="How long it fired.")
    reason: str = Field(description="Why it ended, or is in its state.")
    flapping: bool
    evidence: dict[str, Any]


class MonitorTestView(View):
    """What would have become of one monitor."""

    id: UUID
    name: str
    group: str
    fired: int
    pending_only: int = Field(description="Alerts that ended, or stood in the end, without having fired.")
    flapping: int = Field(description="Alerts that were kept firing because it came and went too often.")
    seconds: float = Field(description="How long alerts fired.")


class RuleTestView(View):
    """What would have fired. `from` and `to` are the time that was judged."""

    from_: datetime = Field(alias="from")
    to: datetime
    samples_from: datetime = Field(description="From when on samples were there to judge by.")
    monitors_selected: int
    monitors_fired: int
    samples: int = Field(description="How many were read, those before `from` that windows reach back to among them.")
    fired: int
    pending_only: int
    flapping: int
    seconds: float = Field(description="How long alerts fired, of all monitors.")
    longest_seconds: float
    most_at_once: int = Field(description="How many alerts fired at the same time at most.")
    alerts: list[PastAlertView] = Field(description="In the order in which they began, the first thousand.")
    more_alerts: bool
    monitors: list[MonitorTestView] = Field(description="Those with any alert, the longest firing first.")


def rule_test_json(result: BacktestResult, rule: CompiledRule) -> dict[str, object]:
    """A result as `RuleTestView` describes it."""
    touched = [each for each in result.monitors if each.alerts]
    pairs = sorted(((each, alert) for each in touched for alert in each.alerts), key=lambda pair: pair[1].started_at)
    alerts = [alert for _, alert in pairs]
    monitors = sorted((_monitor_json(each, result.end) for each in touched), key=lambda each: -each["seconds"])
    return {
        "from": result.start,
        "to": result.end,
        "samples_from": result.known_from,
        "monitors_selected": len(result.monitors),
        "monitors_fired": sum(each["fired"] > 0 for each in monitors),
        "samples": result.samples,
        **_counts(alerts, result.end),
        "longest_seconds": max((alert.fired_for(result.end).total_seconds() for alert in alerts), default=0.0),
        "most_at_once": _most_at_once(alerts, result.end),
        "alerts": [_alert_json(each, alert, rule, result.end) for each, alert in pairs[:MAX_SHOWN]],
        "more_alerts": len(pairs) > MAX_SHOWN,
        "monitors": monitors[:MAX_SHOWN],
    }


def _counts(alerts: Sequence[PastAlert], end: datetime) -> dict[str, Any]:
    fired = [alert for alert in alerts if alert.fired_at is not None]
    return {
        "fired": len(fired),
        "pending_only": len(alerts) - len(fired),
        "flapping": sum(alert.is_flapping for alert in fired),
        "seconds": sum(alert.fired_for(end).total_seconds() for alert in fired),
    }


def _monitor_json(each: MonitorBacktest, end: datetime) -> dict[str, Any]:
    monitor = each.monitor
    return {
        "id": str(monitor.monitor_id),
        "name": monitor.name,
        "group": monitor.group,
        **_counts(each.alerts, end),
    }


def _alert_json(each: MonitorBacktest, alert: PastAlert, rule: CompiledRule, end: datetime) -> dict[str, object]:
    return {
        "monitor": str(each.monitor.monitor_id),
        "labels": rule.subject(each.monitor).labels,
        "state": alert.state.value,
        "started_at": alert.started_at,
        "fired_at": alert.fired_at,
        "ended_at": alert.ended_at,
        "seconds": alert.fired_for(end).total_seconds(),
        "reason": alert.reason.value,
        "flapping": alert.is_flapping,
        "evidence": alert.evidence,
    }


def _most_at_once(alerts: Sequence[PastAlert], end: datetime) -> int:
    """The most that fired at once; one that ends where another begins does not count with it."""
    edges = [edge for alert in alerts if alert.fired_at for edge in ((alert.fired_at, 1), (alert.ended_at or end, -1))]
    firing = most = 0
    for _, step in sorted(edges):
        firing += step
        most = max(most, firing)
    return most

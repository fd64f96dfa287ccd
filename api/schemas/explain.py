"""What an alert looks like when it explains itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.alert_answers import alert_json, event_json
from api.schemas.alerts import AlertEventView, AlertView
from api.schemas.jobs import View
from api.schemas.monitor_samples import MonitorSampleView, sample_json
from api.schemas.notices import NoticeTryView, NoticeView, notice_json, try_json
from api.schemas.rules import RuleFieldsView
from shared.domain.alert.alerts import AlertState, Verdict
from shared.domain.notice.owed import Owed
from shared.domain.rule.rule_documents import shown_of
from shared.domain.suppression.suppressions import SuppressionKind
from shared.services.alert.explanation import Explanation, FiredBy
from shared.storage.alert.explain_store import ExplainedTelling


class ExplainedRuleView(View):
    """The rule as it judged the alert, and which version it has now."""

    id: UUID
    version: int = Field(description="That judged the alert.")
    current_version: int | None = Field(description="Null when the rule has been deleted.")
    rule: RuleFieldsView | None = Field(description="As it was in that version; null when that is no longer kept.")


class NowView(View):
    """What the rule, as it is now, says of the monitor as it stands."""

    at: datetime
    verdict: Verdict
    evidence: dict[str, Any]


class FiredByView(View):
    """The samples that the alert was judged by, the oldest first."""

    start: datetime
    end: datetime
    items: list[MonitorSampleView]
    more: bool = Field(description="There are older ones in the window: `GET /api/v1/monitors/{id}/samples`.")


class HeldBackView(View):
    """What holds the firing back on a channel."""

    kind: SuppressionKind
    name: str
    id: str | None = Field(description="Of the silence, the maintenance, the alert or the monitor that does.")
    until: datetime | None


class ExplainedChannelView(View):
    """What a channel was told of the alert, and what it is still owed."""

    id: UUID
    name: str
    deleted: bool
    disabled: bool
    escalation_step: int = Field(description="The step that asked for it; 0 for the rule's own channels.")
    wanted_at: datetime
    fire_notice: UUID | None = Field(description="The notice that tells the firing.")
    resolve_notice: UUID | None = Field(description="The notice that tells the end.")
    held_back_by: list[HeldBackView]
    held_back_since: datetime | None
    owed: Owed
    next_notice_at: datetime | None


class ExplainedNoticeView(NoticeView):
    """A notice that told of the alert, with each try."""

    tries: list[NoticeTryView] = Field(description="The latest hundred, the first one first.")


class ExplanationView(View):
    """An alert explained."""

    summary: list[str] = Field(description="What there is to know, in sentences.")
    alert: AlertView
    rule: ExplainedRuleView | None = Field(description="Null of an alert that was sent in.")
    now: NowView | None = Field(description="Null where nothing judges now; the summary says why.")
    samples: FiredByView | None = Field(description="Null where there is no monitor, or no longer.")
    events: list[AlertEventView]
    channels: list[ExplainedChannelView]
    notices: list[ExplainedNoticeView] = Field(description="The latest twenty, and those that told its news.")


def explanation_json(explained: Explanation) -> dict[str, object]:
    """An explanation as `ExplanationView` describes it."""
    now = explained.now
    return {
        "summary": explained.summary,
        "alert": alert_json(explained.alert),
        "rule": _rule_json(explained),
        "now": None if now is None else {"at": now.at, "verdict": now.verdict, "evidence": now.evidence},
        "samples": None if explained.fired_by is None else _samples_json(explained.fired_by),
        "events": [event_json(event) for event in explained.events],
        "channels": [_channel_json(telling, explained.alert.state) for telling in explained.tellings],
        "notices": [
            notice_json(notice.status) | {"tries": [try_json(tried) for tried in notice.tries]}
            for notice in explained.notices
        ],
    }


def _rule_json(explained: Explanation) -> dict[str, object] | None:
    alert, version, rule = explained.alert, explained.version, explained.rule
    if alert.rule_id is None:
        return None
    return {
        "id": str(alert.rule_id),
        "version": alert.rule_version,
        "current_version": None if rule is None else rule.version,
        "rule": None if version is None else shown_of(version.spec),
    }


def _samples_json(fired_by: FiredBy) -> dict[str, object]:
    return {
        "start": fired_by.start,
        "end": fired_by.end,
        "items": [sample_json(sample) for sample in fired_by.samples],
        "more": fired_by.has_more,
    }


def _channel_json(telling: ExplainedTelling, state: AlertState) -> dict[str, object]:
    return {
        "id": str(telling.channel_id),
        "name": telling.channel_name,
        "deleted": telling.is_channel_deleted,
        "disabled": telling.is_channel_disabled,
        "escalation_step": telling.step,
        "wanted_at": telling.wanted_at,
        "fire_notice": _text_of(telling.fire_notice_id),
        "resolve_notice": _text_of(telling.resolve_notice_id),
        "held_back_by": [
            {"kind": hold.kind, "name": hold.name, "id": hold.id, "until": hold.until} for hold in telling.held_back_by
        ],
        "held_back_since": telling.held_back_since,
        "owed": telling.debt({}).owed(state).value,
        "next_notice_at": telling.next_notice_at,
    }


def _text_of(value: UUID | None) -> str | None:
    return None if value is None else str(value)

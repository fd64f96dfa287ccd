"""An alert explained: what comes of it for whoever asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.rule.rules import Rule
from shared.domain.sample.monitor_samples import ShownSample
from shared.storage.alert.alert_event_store import AlertEvent
from shared.storage.alert.alert_reading import KeptAlert
from shared.storage.alert.explain_store import ExplainedNotice, ExplainedTelling
from shared.storage.rule.rule_reading import RuleVersion


@dataclass(frozen=True, slots=True)
class FiredBy:
    """The samples from `start` to `end`, both included, the oldest first; of many the latest, then `has_more`."""

    start: datetime
    end: datetime
    samples: Sequence[ShownSample]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Now:
    """What the rule, as it is now, says of the monitor as it stands; `evidence` are the numbers."""

    at: datetime
    verdict: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An alert explained; `version` is the rule as it judged, `rule` as it is now."""

    alert: KeptAlert
    events: Sequence[AlertEvent]
    version: RuleVersion | None
    rule: Rule | None
    now: Now | None
    fired_by: FiredBy | None
    tellings: Sequence[ExplainedTelling]
    notices: Sequence[ExplainedNotice]
    summary: Sequence[str]

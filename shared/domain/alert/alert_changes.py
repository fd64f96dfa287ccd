"""What becomes of alerts, as it is written: one change each, decided elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from shared.domain.alert.alerts import Reason, Transition
from shared.domain.rule.rules import EscalationStep


class AlertSource(StrEnum):
    """Who judged."""

    RULE = "rule"
    INBOUND = "inbound"
    """Another monitoring system, which sent it in."""


@dataclass(frozen=True, slots=True)
class AlertSubject:
    """What an alert is about and who is to be told, from the rule and the monitor, or from whoever sent it in.

    At most one alert of a `fingerprint` is open. `channels` are named by the rule; others find it by its labels.
    """

    source: AlertSource
    fingerprint: bytes
    name: str
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[str] = ()
    escalation: Sequence[EscalationStep] = ()
    rule_id: UUID | None = None
    rule_version: int | None = None
    monitor_id: UUID | None = None
    generator_url: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertChange:
    """One transition of one alert at a moment, and why; `since` is when its condition was first met.

    One that pends or fires names its `subject`; `is_new` has no row yet. `evidence` are the numbers it was judged by.
    """

    alert_id: UUID
    transition: Transition
    reason: Reason
    at: datetime
    since: datetime
    subject: AlertSubject | None = None
    is_new: bool = False
    is_flapping: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)


def fingerprint_of_rule(rule_id: UUID, monitor_id: UUID) -> bytes:
    """What an alert of a rule on a monitor is known by, 32 bytes."""
    return sha256(b"rule:" + rule_id.bytes + monitor_id.bytes).digest()


def fingerprint_of_labels(labels: Mapping[str, str]) -> bytes:
    """What an alert that was sent in is known by, 32 bytes: its labels and nothing else, as in Alertmanager."""
    lines = (f"{name}\x00{value}\x00" for name, value in sorted(labels.items()))
    return sha256(b"labels:" + "".join(lines).encode()).digest()

"""Alerts that another monitoring system sends in, and what each of them does here; pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange, AlertSource, AlertSubject, fingerprint_of_labels
from shared.domain.alert.alerts import Reason, Severity, Transition

RESOLVE_TIMEOUT = timedelta(minutes=5)
"""How long an alert that says no end fires here unless it is repeated; Alertmanager's own default."""
WEBHOOK_LASTS = timedelta(days=6)
"""The same for one that an Alertmanager's webhook tells.

It repeats itself by its `repeat_interval`, at the longest 120 h, after which Alertmanager forgets what it told.
"""
MAX_NAME = 200
UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class InboundAlert:
    """An alert as it was sent in; its labels are what it is known by. `is_resolved` is None where `ends_at` tells."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str | None = None
    is_resolved: bool | None = None

    @property
    def fingerprint(self) -> bytes:
        """What it is known by, 32 bytes."""
        return fingerprint_of_labels(self.labels)

    def has_ended(self, now: datetime) -> bool:
        """Whether it says that it is over."""
        return self.is_resolved if self.is_resolved is not None else self.ends_at is not None and self.ends_at <= now


@dataclass(frozen=True, slots=True)
class OpenInbound:
    """An alert that was sent in and has not ended."""

    alert_id: UUID
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Repeated:
    """An open alert as it was sent in again."""

    alert_id: UUID
    annotations: Mapping[str, str]
    generator_url: str | None
    expires_at: datetime


class InboundAct(StrEnum):
    """What an alert that was sent in does."""

    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    """It is over, and does not fire here."""


@dataclass(frozen=True, slots=True)
class InboundPlan:
    """What alerts that were sent in do, each of them in its place."""

    acts: tuple[InboundAct, ...]
    changes: tuple[AlertChange, ...]
    repeats: tuple[Repeated, ...]


def plan_inbound(
    alerts: Iterable[InboundAlert],
    opened: Mapping[bytes, OpenInbound],
    *,
    now: datetime,
    lasts: timedelta,
    new_id: Callable[[], UUID],
) -> InboundPlan:
    """Decide what alerts do, one after the other, given those of theirs that are open.

    An alert fires when it is heard of, and has begun when it says so. `lasts` is for those that say no end; `new_id`
    makes the ids of those that fire.
    """
    open_now = dict(opened)
    acts: list[InboundAct] = []
    changes: list[AlertChange] = []
    repeats: list[Repeated] = []
    for alert in alerts:
        fingerprint = alert.fingerprint
        known = open_now.get(fingerprint)
        if alert.has_ended(now):
            acts.append(InboundAct.IGNORED if known is None else InboundAct.RESOLVED)
            if known is not None:
                changes.append(_resolve(alert, known, now))
                del open_now[fingerprint]
            continue
        expires_at = now + lasts if alert.ends_at is None or alert.ends_at <= now else alert.ends_at
        if known is None:
            since = min(alert.starts_at or now, now)
            subject = _subject(alert, fingerprint, expires_at)
            change = AlertChange(
                new_id(), Transition.FIRE, Reason.MET, at=now, since=since, subject=subject, is_new=True
            )
            acts.append(InboundAct.FIRED)
            changes.append(change)
            open_now[fingerprint] = OpenInbound(change.alert_id, change.since)
        else:
            acts.append(InboundAct.REPEATED)
            repeats.append(Repeated(known.alert_id, alert.annotations, alert.generator_url, expires_at))
    return InboundPlan(tuple(acts), tuple(changes), tuple(repeats))


def expire_inbound(alert: OpenInbound, expires_at: datetime) -> AlertChange:
    """It ends when it should have been repeated at the latest."""
    return AlertChange(alert.alert_id, Transition.RESOLVE, Reason.EXPIRED, at=expires_at, since=alert.started_at)


def _subject(alert: InboundAlert, fingerprint: bytes, expires_at: datetime) -> AlertSubject:
    return AlertSubject(
        source=AlertSource.INBOUND,
        fingerprint=fingerprint,
        name=alert.labels.get("alertname", UNNAMED)[:MAX_NAME],
        severity=severity_of(alert.labels),
        labels=alert.labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        expires_at=expires_at,
    )


def _resolve(alert: InboundAlert, known: OpenInbound, now: datetime) -> AlertChange:
    at = now if alert.ends_at is None else max(min(alert.ends_at, now), known.started_at)
    return AlertChange(known.alert_id, Transition.RESOLVE, Reason.SENT_RESOLVED, at=at, since=known.started_at)


def severity_of(labels: Mapping[str, str]) -> str:
    """The severity that the label of this name says, else a warning."""
    said = labels.get("severity", "").lower()
    return said if said in set(Severity) else Severity.WARNING

"""Alerts with their history."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.alert.alerts import AlertState
from shared.storage.tables.base import FALSE, FIRST, NOTHING, NOW, Row
from shared.storage.tables.jobs import in_list

OPEN = "state in ('firing', 'pending')"
"""Which alerts are open, as the indexes on them say it."""
UNRESOLVED = "resolved_at is null"
"""The same, as the index of their fingerprints alone says it: who asks by it is not led to another index.

What a planner knows of open alerts is older than a storm of them, so that it takes reading all of them to be cheap.
"""
_CLEARED = "resolved_at is not null and fired_at is null"


class AlertRow(Row):
    """One life of a rule's condition on one monitor, or an alert that came from elsewhere (`source` inbound).

    `fingerprint` is the SHA-256 of what it is known by: at most one with the same is open. `evidence` are the numbers
    that it fired by. One from elsewhere ends at `expires_at` unless it is repeated.
    """

    __tablename__ = "alerts"

    alert_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    rule_id: Mapped[UUID | None] = mapped_column(Uuid)
    rule_version: Mapped[int | None] = mapped_column(BigInteger)
    monitor_id: Mapped[UUID | None] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, str]] = mapped_column(JSONB)
    annotations: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    fired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str] = mapped_column(Text)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    is_flapping: Mapped[bool] = mapped_column(server_default=FALSE)
    acknowledged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
    acknowledged_note: Mapped[str | None] = mapped_column(Text)
    escalated: Mapped[int] = mapped_column(SmallInteger, server_default=NOTHING)
    """How many steps of the rule's escalation were taken."""
    escalate_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    generator_url: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=FIRST)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint("source in ('inbound', 'rule')", name="source"),
        CheckConstraint(f"state in ({in_list([state.value for state in AlertState])})", name="state"),
        CheckConstraint("(state = 'resolved') = (resolved_at is not null)", name="resolved"),
        CheckConstraint("state <> 'firing' or fired_at is not null", name="fired"),
        Index("uq_alerts_open", "fingerprint", unique=True, postgresql_where=text(UNRESOLVED)),
        Index("ix_alerts_open", "rule_id", "monitor_id", postgresql_where=text(OPEN)),
        Index("ix_alerts_monitor", "monitor_id", "alert_id"),
        Index("ix_alerts_rule", "rule_id", "alert_id"),
        Index("ix_alerts_state", "state", "alert_id"),
        Index("ix_alerts_resolved", "resolved_at", postgresql_where=text("resolved_at is not null")),
        Index("ix_alerts_cleared", "resolved_at", postgresql_where=text(_CLEARED)),
        Index("ix_alerts_expires", "expires_at", postgresql_where=text(f"expires_at is not null and {OPEN}")),
        Index("ix_alerts_escalate", "escalate_at", postgresql_where=text("escalate_at is not null")),
        Index("ix_alerts_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class AlertEventRow(Row):
    """Something that happened to an alert, and why; appended to only."""

    __tablename__ = "alert_events"

    event_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    alert_id: Mapped[UUID] = mapped_column(Uuid)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    kind: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    by: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    __table_args__ = (Index("ix_alert_events_alert", "alert_id", "event_id"),)

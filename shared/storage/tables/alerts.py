"""Alert rules, what they judge of each monitor, and alerts with their history."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.alert.alerts import AlertState
from shared.storage.tables.base import Row
from shared.storage.tables.jobs import in_list

_ALWAYS = text("now()")
_NOTHING = text("0")
_FIRST = text("1")
_FALSE = text("false")
OPEN = "state in ('firing', 'pending')"
"""Which alerts are open, as the indexes on them say it."""
UNRESOLVED = "resolved_at is null"
"""The same, as the index of their fingerprints alone says it: who asks by it is not led to another index.

What a planner knows of open alerts is older than a storm of them, so that it takes reading all of them to be cheap.
"""
_CLEARED = "resolved_at is not null and fired_at is null"


class AlertingRow(Row):
    """What all processes agree on about alerting; a single row.

    `rules_version` grows in each transaction that changes a rule: so a process knows when what it remembers is old.
    """

    __tablename__ = "alerting"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    rules_version: Mapped[int] = mapped_column(BigInteger, server_default=_FIRST)

    __table_args__ = (CheckConstraint("is_only", name="single"),)


class AlertRuleRow(Row):
    """A rule as it stands. A deleted one is kept, without its name, until no alert speaks of it.

    `applied_version` is the version that every monitor's judgement has been brought to; upkeep does that.
    """

    __tablename__ = "alert_rules"

    rule_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    version: Mapped[int] = mapped_column(BigInteger, server_default=_FIRST)
    applied_version: Mapped[int] = mapped_column(BigInteger, server_default=_NOTHING)
    owner: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)
    created_by: Mapped[str] = mapped_column(Text)
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("uq_alert_rules_name", "name", unique=True, postgresql_where=text("deleted_at is null")),
        Index("ix_alert_rules_unapplied", "rule_id", postgresql_where=text("applied_version < version")),
    )


class AlertRuleVersionRow(Row):
    """A rule as it once was; appended to only."""

    __tablename__ = "alert_rule_versions"

    rule_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)
    by: Mapped[str] = mapped_column(Text)


class JudgementRow(Row):
    """What a rule makes of a monitor, remembered between two judgements; without a row nothing holds.

    `rule_version` and `monitor_version` are those it was last judged by: upkeep finds what is no longer so.
    `windows` are the parts of the rule's windows, packed, filled with what lay before from `filled_from` on (null: not
    yet); `past` is what percentiles need of parts that are over, and is not written with each sample. `due_at` is when
    it has to be judged again though nothing comes, or sooner. `latched` has a bit for each comparison of the condition,
    in their order, that is met until its recovery. `fires` are the latest moments at which it fired. A transaction
    locks these rows after those of monitors, by rule and monitor.
    """

    __tablename__ = "judgements"

    rule_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    monitor_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    rule_version: Mapped[int] = mapped_column(BigInteger)
    monitor_version: Mapped[int] = mapped_column(BigInteger)
    judged_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    alert_id: Mapped[UUID | None] = mapped_column(Uuid)
    since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_met_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    filled_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    verdict: Mapped[str] = mapped_column(Text)
    state: Mapped[str | None] = mapped_column(Text)
    is_flapping: Mapped[bool] = mapped_column(server_default=_FALSE)
    latched: Mapped[int] = mapped_column(Integer, server_default=_NOTHING)
    fires: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=text("'{}'"))
    windows: Mapped[bytes] = mapped_column(LargeBinary, server_default=text("''"))
    past: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        Index("ix_judgements_monitor", "monitor_id"),
        Index("ix_judgements_due", "due_at", postgresql_where=text("due_at is not null")),
        {"postgresql_with": {"fillfactor": "60", "autovacuum_vacuum_scale_factor": "0.02"}},
    )


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
    is_flapping: Mapped[bool] = mapped_column(server_default=_FALSE)
    acknowledged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
    acknowledged_note: Mapped[str | None] = mapped_column(Text)
    escalated: Mapped[int] = mapped_column(SmallInteger, server_default=_NOTHING)
    """How many steps of the rule's escalation were taken."""
    escalate_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    generator_url: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=_FIRST)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)

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


class SilenceRow(Row):
    """Alerts whose labels match are not told of for a while."""

    __tablename__ = "silences"

    silence_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    matchers: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    comment: Mapped[str] = mapped_column(Text, server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)
    created_by: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("starts_at <= ends_at", name="span"),
        Index("ix_silences_ends_at", "ends_at"),
    )


class InhibitionRow(Row):
    """Alerts matched by `target` are not told of while a source stands: a firing alert, or a monitor that is down.

    `source` matches firing alerts, `depends_on` monitors; one of the two is given. `equal` names labels that both have
    to have alike.
    """

    __tablename__ = "inhibitions"

    inhibition_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    depends_on: Mapped[str | None] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    equal: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)
    created_by: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("uq_inhibitions_name", "name", unique=True),
        CheckConstraint("(source is null) <> (depends_on is null)", name="source"),
    )


class MaintenanceRow(Row):
    """A window of planned work on the monitors it selects: one-off, or again and again by a cron expression.

    `starts_at` and `ends_at` are those of the window that runs or comes next. With `is_uptime_kept_clean` its monitors
    are in the state `maintenance` meanwhile.
    """

    __tablename__ = "maintenances"

    maintenance_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    selector: Mapped[str] = mapped_column(Text)
    cron: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text, server_default=text("'UTC'"))
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    is_uptime_kept_clean: Mapped[bool] = mapped_column(server_default=text("true"))
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was ended for good."""
    comment: Mapped[str] = mapped_column(Text, server_default=text("''"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=_FIRST)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)
    created_by: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("starts_at <= ends_at", name="span"),
        Index("ix_maintenances_live", "starts_at", postgresql_where=text("ended_at is null")),
    )


class MaintenanceMemberRow(Row):
    """A monitor that a window has put into the state `maintenance`, until that window lets it go."""

    __tablename__ = "maintenance_members"

    maintenance_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    monitor_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_ALWAYS)

    __table_args__ = (Index("ix_maintenance_members_monitor", "monitor_id"),)

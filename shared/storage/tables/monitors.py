"""Monitors: what to watch, how each one stands, its status timeline, its schedule, and the slots that were missed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
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

from shared.domain.monitor.slots import GapReason
from shared.storage.tables.base import NOTHING, NOW, Row
from shared.storage.tables.jobs import in_list

# A transaction locks rows of these tables in this order: monitors, monitor_states, schedules; each by monitor_id.


class MonitorRow(Row):
    """A monitor. `target` is JSON, sealed by the vault when it holds secrets; `shown` is what people see of it."""

    __tablename__ = "monitors"

    monitor_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    group_name: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    kind: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    is_sealed: Mapped[bool] = mapped_column(server_default=text("false"))
    shown: Mapped[dict[str, Any]] = mapped_column(JSONB)
    secret_names: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    interval_ms: Mapped[int | None] = mapped_column(BigInteger)
    cron: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text, server_default=text("'UTC'"))
    confirmations: Mapped[int] = mapped_column(SmallInteger)
    confirm_ms: Mapped[int] = mapped_column(Integer)
    labels: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    owner: Mapped[str | None] = mapped_column(Text)
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    series_id: Mapped[int] = mapped_column(Integer, unique=True)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    created_by: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("(interval_ms is null) <> (cron is null)", name="schedule"),
        Index("uq_monitors_name", "group_name", "name", unique=True),
        Index("ix_monitors_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
        Index("ix_monitors_secret_names", "secret_names", postgresql_using="gin"),
        Index("ix_monitors_owner", "owner", postgresql_where=text("owner is not null")),
    )


class MonitorStateRow(Row):
    """How a monitor stands (`shared.domain.monitor.standing.Standing`), and its latest looks.

    `beats` are the latest 50 samples, the newest first: see `shared.domain.monitor.beats`. Half of each page is kept
    free, and no index but the key is touched, so that the next state of a row stays on its page.
    """

    __tablename__ = "monitor_states"

    monitor_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("monitors.monitor_id", ondelete="CASCADE"), primary_key=True
    )
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    covered_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    first_failed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sampled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    duration_ms: Mapped[float | None] = mapped_column(Double)
    state: Mapped[int] = mapped_column(SmallInteger)
    outcome: Mapped[int | None] = mapped_column(SmallInteger)
    failing: Mapped[int] = mapped_column(SmallInteger, server_default=NOTHING)
    code: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    beats: Mapped[bytes] = mapped_column(LargeBinary, server_default=text("''"))

    __table_args__ = ({"postgresql_with": {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"}},)


class StateSpanRow(Row):
    """From when on a monitor was in a state; it lasts until the next row's moment. Appended to only.

    A trigger fills in `previous_state`, which is null of a monitor's first one.
    """

    __tablename__ = "state_spans"

    monitor_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("monitors.monitor_id", ondelete="CASCADE"), primary_key=True
    )
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    state: Mapped[int] = mapped_column(SmallInteger)
    previous_state: Mapped[int | None] = mapped_column(SmallInteger)
    code: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_state_spans_started_at", "started_at"),)


class ScheduleRow(Row):
    """When a monitor is next looked at; `due_at` is the earlier of its slot and its confirmation, null while paused.

    Heartbeats have no row here: nobody looks at them.
    """

    __tablename__ = "schedules"

    monitor_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("monitors.monitor_id", ondelete="CASCADE"), primary_key=True
    )
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_slot: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    confirm_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    confirmation: Mapped[int] = mapped_column(SmallInteger, server_default=NOTHING)

    __table_args__ = (
        Index("ix_schedules_due", "due_at", postgresql_where=text("due_at is not null")),
        {"postgresql_with": {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"}},
    )


class SchedulerRow(Row):
    """When slots were last scheduled by anybody, and since when more is due than the workers do; a single row."""

    __tablename__ = "scheduler"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    ran_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    overloaded_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("is_only", name="single"),)


class SlotGapRow(Row):
    """Slots of a monitor, in a row, that were not collected, and why."""

    __tablename__ = "slot_gaps"

    monitor_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("monitors.monitor_id", ondelete="CASCADE"), primary_key=True
    )
    first_slot: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    last_slot: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    slots: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        CheckConstraint(f"reason in ({in_list([reason.value for reason in GapReason])})", name="reason"),
        CheckConstraint("slots > 0 and first_slot <= last_slot", name="span"),
        Index("ix_slot_gaps_last_slot", "last_slot"),
    )


class HeartbeatRow(Row):
    """A heartbeat's addresses and when its next sign of life is due; null before the first one and while paused.

    `armed_at` is from when on that sign is waited for, `pinged_at` when the latest one came that counted. Nothing
    that a ping changes has an index, so that the next row stays on its page: to read all of them once a second costs
    less. A transaction locks these rows after those of `monitor_states`.
    """

    __tablename__ = "heartbeats"

    monitor_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("monitors.monitor_id", ondelete="CASCADE"), primary_key=True
    )
    ping_id: Mapped[UUID] = mapped_column(Uuid, unique=True)
    push_token: Mapped[str] = mapped_column(Text, unique=True)
    slug: Mapped[str | None] = mapped_column(Text, index=True)
    grace_ms: Mapped[int] = mapped_column(BigInteger)
    pinged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    armed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expected_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    pings: Mapped[int] = mapped_column(BigInteger, server_default=NOTHING)

    __table_args__ = ({"postgresql_with": {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"}},)


class PingRow(Row):
    """One sign of life, the newest of each heartbeat kept."""

    __tablename__ = "pings"

    monitor_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("monitors.monitor_id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    kind: Mapped[str] = mapped_column(Text)
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    exit_status: Mapped[int | None] = mapped_column(SmallInteger)
    duration_ms: Mapped[float | None] = mapped_column(Double)
    scheme: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    user_agent: Mapped[str] = mapped_column(Text)
    remote_address: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class SecretRow(Row):
    """A secret that targets name, sealed by the vault."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_by: Mapped[str] = mapped_column(Text)

"""Who works, on what, under which limits: workers, queues, limits, and which Redis was last seen."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, Double, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.fleet.workers import WorkerOrder, WorkerState
from shared.storage.tables.base import NOW, Row
from shared.storage.tables.jobs import in_list


class WorkerRow(Row):
    """A worker process as it last reported itself, with its heartbeat."""

    __tablename__ = "workers"

    worker_id: Mapped[str] = mapped_column(Text, primary_key=True)
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(Text)
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    slots: Mapped[int] = mapped_column(Integer)
    busy: Mapped[int] = mapped_column(Integer)
    loop_lag_ms: Mapped[float] = mapped_column(Double)
    rss_bytes: Mapped[float] = mapped_column(Double)
    lease_seconds: Mapped[float] = mapped_column(Double)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    beat_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(Text)
    ordered: Mapped[str | None] = mapped_column(Text)
    checks_per_second: Mapped[float] = mapped_column(Double, server_default=text("0"))
    cpu_share: Mapped[float] = mapped_column(Double, server_default=text("0"))
    egress: Mapped[str] = mapped_column(Text, server_default=text("'unwatched'"))

    __table_args__ = (
        CheckConstraint(f"state in ({in_list([state.value for state in WorkerState])})", name="state"),
        CheckConstraint(f"ordered in ({in_list([order.value for order in WorkerOrder])})", name="ordered"),
        # The row is rewritten with each beat and should stay on its page.
        {"postgresql_with": {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"}},
    )


class QueueRow(Row):
    """What people have set of a queue; one without a row runs, under the default admission limit.

    `changed_by` and `reason` are of the latest pause, drain or resumption.
    """

    __tablename__ = "queues"

    queue: Mapped[str] = mapped_column(Text, primary_key=True)
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    draining_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    changed_by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    admission_limit: Mapped[int | None] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)


class LimitRow(Row):
    """How many jobs of one limit key may run at once, and be started in which time.

    `rate_tat` is the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371).
    """

    __tablename__ = "limits"

    limit_key: Mapped[str] = mapped_column(Text, primary_key=True)
    max_running: Mapped[int | None] = mapped_column(Integer)
    rate_max: Mapped[int | None] = mapped_column(Integer)
    rate_seconds: Mapped[float | None] = mapped_column(Double)
    rate_tat: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint("max_running > 0", name="max_running"),
        CheckConstraint("(rate_max is null) = (rate_seconds is null)", name="rate"),
        CheckConstraint("rate_max > 0 and rate_seconds > 0", name="rate_positive"),
    )


class BrokerEpochRow(Row):
    """Which life of Redis was last seen: what was rung `since` then stands in it, what was rung before may not."""

    __tablename__ = "broker_epochs"

    broker: Mapped[str] = mapped_column(Text, primary_key=True)
    epoch: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))

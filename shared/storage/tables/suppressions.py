"""What holds firings back: silences, inhibitions and dependencies, windows of maintenance."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.storage.tables.base import FIRST, NOW, Row


class SilenceRow(Row):
    """Alerts whose labels match are not told of for a while."""

    __tablename__ = "silences"

    silence_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    matchers: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    comment: Mapped[str] = mapped_column(Text, server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
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
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
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
    version: Mapped[int] = mapped_column(BigInteger, server_default=FIRST)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
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
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (Index("ix_maintenance_members_monitor", "monitor_id"),)

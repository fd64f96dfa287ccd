"""Alert rules, what they once were, and what they make of each monitor."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.storage.tables.base import FALSE, FIRST, NOTHING, NOW, Row


class AlertingRow(Row):
    """What all processes agree on about alerting; a single row.

    `rules_version` grows in each transaction that changes a rule: so a process knows when what it remembers is old.
    """

    __tablename__ = "alerting"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    rules_version: Mapped[int] = mapped_column(BigInteger, server_default=FIRST)

    __table_args__ = (CheckConstraint("is_only", name="single"),)


class AlertRuleRow(Row):
    """A rule as it stands. A deleted one is kept, without its name, until no alert speaks of it.

    `applied_version` is the version that every monitor's judgement has been brought to; upkeep does that.
    """

    __tablename__ = "alert_rules"

    rule_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    version: Mapped[int] = mapped_column(BigInteger, server_default=FIRST)
    applied_version: Mapped[int] = mapped_column(BigInteger, server_default=NOTHING)
    owner: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
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
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
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
    is_flapping: Mapped[bool] = mapped_column(server_default=FALSE)
    latched: Mapped[int] = mapped_column(Integer, server_default=NOTHING)
    fires: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=text("'{}'"))
    windows: Mapped[bytes] = mapped_column(LargeBinary, server_default=text("''"))
    past: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        Index("ix_judgements_monitor", "monitor_id"),
        Index("ix_judgements_due", "due_at", postgresql_where=text("due_at is not null")),
        {"postgresql_with": {"fillfactor": "60", "autovacuum_vacuum_scale_factor": "0.02"}},
    )

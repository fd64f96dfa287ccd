"""Channels, groups of alerts on them, who was told of what, and the notices that told it."""

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
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.notice.notices import NoticeKind, NoticeState
from shared.storage.tables.base import FIRST, NOTHING, NOW, Row
from shared.storage.tables.jobs import in_list


class ChannelRow(Row):
    """Where people are told. A deleted one is kept, without its name, as long as it owes a resolve.

    `config` is the channel of `shared.domain.channel.notifications` as JSON, sealed when it holds secrets; `shown` the
    same without them. `options` are how it is told: grouping, limits, quiet hours, templates.
    """

    __tablename__ = "channels"

    channel_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    config: Mapped[str] = mapped_column(Text)
    is_sealed: Mapped[bool] = mapped_column(server_default=text("false"))
    shown: Mapped[dict[str, Any]] = mapped_column(JSONB)
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)
    matchers: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failing_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failures: Mapped[int] = mapped_column(Integer, server_default=NOTHING)
    """Tries in a row that were not delivered."""
    delivered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=FIRST)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    created_by: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("uq_channels_name", "name", unique=True, postgresql_where=text("deleted_at is null")),)


class AlertGroupRow(Row):
    """Alerts that are told together on one channel: those alike in the labels that it groups by.

    At most one notice of a group is on its way, `notice_id`; `told_at` is when the last one was composed. `receipt` is
    what the channel gave to update its message in place. Locked after alerts, in the order of the groups' ids.
    """

    __tablename__ = "alert_groups"

    group_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(Uuid)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    labels: Mapped[dict[str, str]] = mapped_column(JSONB)
    notice_id: Mapped[UUID | None] = mapped_column(Uuid)
    notices: Mapped[int] = mapped_column(Integer, server_default=NOTHING)
    told_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    remind_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    has_more: Mapped[bool] = mapped_column(server_default=text("false"))
    """More was to be told than the last notice could name; the next one follows at once."""
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        Index("uq_alert_groups_key", "channel_id", "key", unique=True),
        Index("ix_alert_groups_remind_at", "remind_at", postgresql_where=text("remind_at is not null")),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class TellingRow(Row):
    """What is owed to a channel about an alert: its firing, and then its resolve.

    `fire_notice_id` is the notice that carries the firing; once there is one the resolve is owed, whatever else.
    `suppressed` tells why the firing is not told for now. `is_settled`: nothing is owed any more.
    """

    __tablename__ = "tellings"

    alert_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    group_id: Mapped[UUID] = mapped_column(Uuid)
    wanted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    step: Mapped[int] = mapped_column(SmallInteger, server_default=NOTHING)
    """Which step of the escalation asked for it; 0 for the rule's own channels."""
    fire_notice_id: Mapped[UUID | None] = mapped_column(Uuid)
    resolve_notice_id: Mapped[UUID | None] = mapped_column(Uuid)
    suppressed: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    suppressed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    is_settled: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("ix_tellings_group", "group_id", postgresql_where=text("not is_settled")),
        Index(
            "ix_tellings_suppressed",
            "suppressed_at",
            postgresql_where=text("suppressed_at is not null and not is_settled"),
        ),
        {"postgresql_with": {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.02"}},
    )


class NoticeRow(Row):
    """One message to one channel, carried by one `notify` job; its id is what a receiver knows repeats by.

    It waits (`flush_at`) for what belongs to its group, is composed with the first try, and from then on says the same:
    `content` is frozen.
    """

    __tablename__ = "notices"

    notice_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(Uuid)
    group_id: Mapped[UUID | None] = mapped_column(Uuid)
    job_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    number: Mapped[int] = mapped_column(Integer, server_default=NOTHING)
    """Its place among the notices of its group, from 1."""
    flush_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    composed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    content: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint(f"kind in ({in_list([kind.value for kind in NoticeKind])})", name="kind"),
        CheckConstraint(f"state in ({in_list([state.value for state in NoticeState])})", name="state"),
        Index("uq_notices_job_id", "job_id", unique=True),
        Index("ix_notices_live", "flush_at", postgresql_where=text("ended_at is null")),
        Index("ix_notices_channel", "channel_id", "notice_id"),
        Index("ix_notices_group", "group_id", "notice_id"),
        Index("ix_notices_ended_at", "ended_at", postgresql_where=text("ended_at is not null")),
        {"postgresql_with": {"fillfactor": "70"}},
    )

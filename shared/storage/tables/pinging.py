"""The keys of ping URLs, as hashes, and when nobody listened for pings."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, LargeBinary, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.storage.tables.base import Row


class PingKeyRow(Row):
    """One key that goes before a slug in a ping URL; revoked keys stay, so that what they did can be told."""

    __tablename__ = "ping_keys"

    key_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    created_by: Mapped[str] = mapped_column(Text)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ListeningRow(Row):
    """When an API process was last there to be pinged, by the database's clock; a single row."""

    __tablename__ = "listening"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    heard_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("is_only", name="single"),)


class DeafSpanRow(Row):
    """A time in which no API process was there, so that a ping would have been lost."""

    __tablename__ = "deaf_spans"

    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("started_at < ended_at", name="span"),)

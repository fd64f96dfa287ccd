"""The API keys, as hashes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, LargeBinary, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.access import Scope
from shared.storage.tables.base import Row
from shared.storage.tables.jobs import in_list


class ApiKeyRow(Row):
    """One key; revoked keys stay, so that what they did can be told."""

    __tablename__ = "api_keys"

    key_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    created_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint(f"scope in ({in_list([scope.value for scope in Scope])})", name="scope"),)

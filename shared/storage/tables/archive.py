"""Samples that are packed or told of: a day of a series as one row, what came late, notes, and what was dropped."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Double,
    Identity,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.storage.tables.base import Row


class SampleChunkRow(Row):
    """All samples of one series and day (UTC), packed; partitions `sample_chunk_YYYYMM`."""

    __tablename__ = "sample_chunk"

    series_id: Mapped[int] = mapped_column(Integer, autoincrement=False)
    day: Mapped[date] = mapped_column(Date)
    samples: Mapped[int] = mapped_column(Integer)
    codec: Mapped[int] = mapped_column(SmallInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (PrimaryKeyConstraint("series_id", "day"), {"postgresql_partition_by": "RANGE (day)"})


class SampleLateRow(Row):
    """A sample of a day that is packed already, until it is packed with it."""

    __tablename__ = "sample_late"

    ts: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    value: Mapped[float | None] = mapped_column(Double)
    series_id: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    extras: Mapped[list[float | None] | None] = mapped_column(ARRAY(Double))

    __table_args__ = (PrimaryKeyConstraint("series_id", "ts"),)


class SampleNoteRow(Row):
    """Why a monitor's sample was not `up`: its code and message; partitions `sample_note_YYYYMMDD`."""

    __tablename__ = "sample_note"

    ts: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    series_id: Mapped[int] = mapped_column(Integer)
    code: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (PrimaryKeyConstraint("series_id", "ts"), {"postgresql_partition_by": "RANGE (ts)"})


class StorageDropRow(Row):
    """A partition that was dropped, and why: its time was over, or the size cap was reached."""

    __tablename__ = "storage_drops"

    drop_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    partition: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)

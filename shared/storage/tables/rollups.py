"""Samples summarised per hour and per day, and how far that has come."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.storage.tables.base import Row

_NOT_YET = text("'1970-01-01 00:00:00+00'")


class _Rollup:
    """The columns of both resolutions.

    `metric` is 0 for the duration, else the metric's place (from 1) in the kind's packed metrics. Outcomes are counted
    with metric 0 only, and so are those that were begun late. The values are those of samples that are not our own
    error.
    """

    bucket: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    latest_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    value_sum: Mapped[float | None] = mapped_column(Double)
    value_min: Mapped[float | None] = mapped_column(Double)
    value_max: Mapped[float | None] = mapped_column(Double)
    latest: Mapped[float | None] = mapped_column(Double)
    series_id: Mapped[int] = mapped_column(Integer)
    value_count: Mapped[int] = mapped_column(Integer)
    up: Mapped[int] = mapped_column(Integer)
    degraded: Mapped[int] = mapped_column(Integer)
    down: Mapped[int] = mapped_column(Integer)
    error: Mapped[int] = mapped_column(Integer)
    late: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    metric: Mapped[int] = mapped_column(SmallInteger)
    sketch: Mapped[bytes | None] = mapped_column(LargeBinary)


class HourRollupRow(_Rollup, Row):
    """One hour of one metric of one series; partitions `rollup_1h_YYYYMM`."""

    __tablename__ = "rollup_1h"
    __table_args__ = (
        PrimaryKeyConstraint("series_id", "metric", "bucket"),
        Index("ix_rollup_1h_bucket", "bucket", postgresql_using="brin", postgresql_with={"pages_per_range": "16"}),
        {"postgresql_partition_by": "RANGE (bucket)"},
    )


class DayRollupRow(_Rollup, Row):
    """One day (UTC) of one metric of one series, kept for ever."""

    __tablename__ = "rollup_1d"
    __table_args__ = (
        PrimaryKeyConstraint("series_id", "metric", "bucket"),
        Index("ix_rollup_1d_bucket", "bucket", postgresql_using="brin", postgresql_with={"pages_per_range": "16"}),
    )


class RollupStateRow(Row):
    """How far roll-ups are claimed and computed, and from when on finer data is still whole; a single row.

    Hours before `hours_computed_at` and days before `days_computed_at` are to be read. A sample older than `claimed_at`
    is late: who writes it marks its hour as dirty. The row comes into being with the first sample.

    Samples before `chunked_until` are packed in chunks. Before `closed_until`, which is ahead of it while a day is
    being packed, no row is written to `sample` any more. Exact samples begin at `samples_from`, packed or not.
    `corrections` counts how often hours and days that could be read were computed anew.
    """

    __tablename__ = "rollup_state"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    claimed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    hours_computed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    days_computed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    samples_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOT_YET)
    hours_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOT_YET)
    chunked_until: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOT_YET)
    closed_until: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOT_YET)
    corrections: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (CheckConstraint("is_only", name="single"),)


class RollupDirtyRow(Row):
    """An hour of a series that got a late sample; appended to only, without a unique index.

    An `on conflict do nothing` would wait for nobody and could lose a mark that a roll-up is just taking away.
    """

    __tablename__ = "rollup_dirty"

    mark_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    series_id: Mapped[int] = mapped_column(Integer)
    bucket: Mapped[datetime] = mapped_column(DateTime(timezone=True))

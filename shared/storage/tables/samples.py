"""Series, their samples and their current state, and what each job found."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.storage.tables.base import Row


class SeriesRow(Row):
    """One target, found by a hash of what is collected; ad-hoc targets of jobs have one too."""

    __tablename__ = "series"

    series_id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    identity: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    monitor_id: Mapped[UUID | None] = mapped_column(Uuid)
    """The monitor whose own series this is; it outlives it, as long as its samples are kept."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))

    __table_args__ = (
        CheckConstraint("octet_length(identity) = 32", name="identity"),
        Index("ix_series_name", "name"),
        Index("ix_series_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
    )


class SampleRow(Row):
    """One reading; partitions `sample_YYYYMMDD`.

    `value` is the duration in milliseconds, `extras` the metrics in the order of the series' kind, NULL where absent.
    Wide columns come first, so that no byte is lost to alignment: there are very many of these rows.
    """

    __tablename__ = "sample"

    ts: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    value: Mapped[float | None] = mapped_column(Double)
    series_id: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    extras: Mapped[list[float | None] | None] = mapped_column(ARRAY(Double))

    __table_args__ = (
        PrimaryKeyConstraint("series_id", "ts"),
        # Summaries of page ranges find an hour of all series; they cost next to nothing to write.
        Index("ix_sample_ts", "ts", postgresql_using="brin", postgresql_with={"pages_per_range": "32"}),
        {"postgresql_partition_by": "RANGE (ts)"},
    )


class SeriesCurrentRow(Row):
    """The newest sample of a series, and since when its outcome has been what it is."""

    __tablename__ = "series_current"

    series_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    ts: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    value: Mapped[float | None] = mapped_column(Double)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    # Half of each page is kept free, so that the next state of a row stays on it and touches no index.
    __table_args__ = ({"postgresql_with": {"fillfactor": "50"}},)


class JobSampleRow(Row):
    """What a job found at one position of its targets.

    Outcome and duration are kept beside the sample, because the sample's partition may be dropped before the job is.
    """

    __tablename__ = "job_samples"

    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    series_id: Mapped[int] = mapped_column(Integer)
    ts: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    duration_ms: Mapped[float | None] = mapped_column(Double)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    code: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)

"""Jobs, their attempts and the idempotency keys they were submitted under."""

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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.job.jobs import (
    DEFAULT_PRIORITY,
    LIVE_STATES,
    TERMINAL_STATES,
    WAITING_STATES,
    AttemptOutcome,
    BlockReason,
    JobKind,
    JobState,
)
from shared.storage.tables.base import NOW, Row


def in_list(values: list[str]) -> str:
    """The values as SQL writes a list of them."""
    return ", ".join(f"'{value}'" for value in sorted(values))


LIVE_LIST = in_list([state.value for state in LIVE_STATES])
TERMINAL_LIST = in_list([state.value for state in TERMINAL_STATES])
"""As SQL writes it, so that a partial index is found; a parameter would not do."""
_WAITING = in_list([state.value for state in WAITING_STATES])
PLACE_TAKEN = "limit_key is not null and (state = 'running' or (state = 'queued' and place_until is not null))"
"""What a query has to say to be answered by the index of limits."""


class JobRow(Row):
    """One unit of work; the row is the job's memory, ARQ only rings.

    A trigger, written from the transition table, refuses every other change of its state.
    """

    __tablename__ = "jobs"

    job_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    queue: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text(f"'{DEFAULT_PRIORITY}'"))
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    labels: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    run_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    unique_key: Mapped[str | None] = mapped_column(Text)
    limit_key: Mapped[str | None] = mapped_column(Text)
    parent_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("jobs.job_id", ondelete="SET NULL"))
    requeue_of: Mapped[UUID | None] = mapped_column(Uuid)
    effect_id: Mapped[UUID | None] = mapped_column(Uuid)
    traceparent: Mapped[str | None] = mapped_column(Text)
    completion: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the slots of a round that did not succeed were told as missed."""
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    lost_attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    dispatch_no: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    dispatched_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    queued_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    blocked_by: Mapped[str | None] = mapped_column(Text)
    blocked_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    blocked_ms: Mapped[float] = mapped_column(Double, server_default=text("0"))
    place_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    snoozes: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)
    lease_owner: Mapped[str | None] = mapped_column(Text)
    lease_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error_fingerprint: Mapped[str | None] = mapped_column(Text)
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    principal_id: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint(f"kind in ({in_list([kind.value for kind in JobKind])})", name="kind"),
        CheckConstraint(f"state in ({in_list([state.value for state in JobState])})", name="state"),
        CheckConstraint(f"(state in ({TERMINAL_LIST})) = (finished_at is not null)", name="finished"),
        CheckConstraint("(state = 'running') = (lease_token is not null)", name="leased"),
        CheckConstraint(
            f"blocked_by is null or (state = 'queued' and blocked_by in ({in_list([r.value for r in BlockReason])}))",
            name="blocked",
        ),
        Index("ix_jobs_queued", "queue", "run_at", "job_id", postgresql_where=text("state = 'queued'")),
        Index("ix_jobs_due", "run_at", postgresql_where=text("state in ('scheduled', 'retrying')")),
        Index("ix_jobs_leased", "lease_expires_at", postgresql_where=text("state = 'running'")),
        Index("ix_jobs_finished", "finished_at", postgresql_where=text(f"state in ({TERMINAL_LIST})")),
        # What was never rung has no `dispatched_at`, what Redis may have forgotten an old one.
        Index("ix_jobs_dispatched", "dispatched_at", postgresql_where=text("state = 'queued' and blocked_by is null")),
        Index(
            "ix_jobs_blocked",
            "limit_key",
            text("priority desc"),
            "run_at",
            postgresql_where=text("blocked_by in ('concurrency', 'rate')"),
        ),
        Index(
            "ix_jobs_paused",
            "queue",
            text("priority desc"),
            "run_at",
            postgresql_where=text("blocked_by = 'paused'"),
        ),
        # Who takes one of a limit's places: those that run, and those let go for whom a place is kept.
        Index("ix_jobs_limited", "limit_key", postgresql_where=text(PLACE_TAKEN)),
        Index(
            "ix_jobs_deadline",
            "expires_at",
            postgresql_where=text(f"expires_at is not null and state in ({_WAITING})"),
        ),
        Index(
            "ix_jobs_unsettled",
            "finished_at",
            postgresql_where=text(
                "kind = 'round' and settled_at is null and state in ('cancelled', 'expired', 'failed')"
            ),
        ),
        Index("ix_jobs_rounds", "finished_at", postgresql_where=text("kind = 'round' and finished_at is not null")),
        Index("ix_jobs_failed", "error_fingerprint", "finished_at", postgresql_where=text("state = 'failed'")),
        # Lists go by what jobs share, the newest first.
        Index("ix_jobs_parent", "parent_id", "job_id", postgresql_where=text("parent_id is not null")),
        Index("ix_jobs_unique_key", "unique_key", "job_id", postgresql_where=text("unique_key is not null")),
        Index("ix_jobs_limit_key", "limit_key", "job_id", postgresql_where=text("limit_key is not null")),
        Index("ix_jobs_labels", "labels", postgresql_using="gin", postgresql_where=text("labels <> '{}'::jsonb")),
        Index(
            "uq_jobs_unique_key",
            "unique_key",
            unique=True,
            postgresql_where=text(f"unique_key is not null and state in ({LIVE_LIST})"),
        ),
        Index("uq_jobs_requeue_of", "requeue_of", unique=True, postgresql_where=text("requeue_of is not null")),
        # A slot kept free on each page lets the life of a row stay on it.
        {"postgresql_with": {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.02"}},
    )


class JobAttemptRow(Row):
    """One try at a job, written when it ended."""

    __tablename__ = "job_attempts"

    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    dispatch_no: Mapped[int] = mapped_column(Integer, primary_key=True)
    worker_id: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    queue_wait_ms: Mapped[float] = mapped_column(Double)
    run_ms: Mapped[float] = mapped_column(Double)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    worker_version: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    queued_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    blocked_ms: Mapped[float] = mapped_column(Double, server_default=text("0"))
    claim_ms: Mapped[float] = mapped_column(Double, server_default=text("0"))
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint(f"outcome in ({in_list([outcome.value for outcome in AttemptOutcome])})", name="outcome"),
    )


class IdempotencyKeyRow(Row):
    """A key a principal submitted a job under, written in the job's own transaction."""

    __tablename__ = "idempotency_keys"

    principal_id: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    job_id: Mapped[UUID] = mapped_column(Uuid)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)

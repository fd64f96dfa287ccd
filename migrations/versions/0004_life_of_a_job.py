"""The whole life of a job: deadlines, unique keys, limits, parents, requeues, progress; workers, queues and limits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
MOMENT = sa.DateTime(timezone=True)
TERMINAL = "('cancelled', 'expired', 'failed', 'succeeded')"
LIVE = "('queued', 'retrying', 'running', 'scheduled')"
WAITING = "('queued', 'retrying', 'scheduled')"
# The transition table as of this migration; a test holds the trigger equal to the one in the domain.
ALLOWED = """
    ('scheduled', 'queued'), ('scheduled', 'cancelled'), ('scheduled', 'expired'),
    ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'expired'),
    ('running', 'succeeded'), ('running', 'failed'), ('running', 'retrying'), ('running', 'queued'),
    ('running', 'cancelled'),
    ('retrying', 'queued'), ('retrying', 'cancelled'), ('retrying', 'expired')
"""


def upgrade() -> None:
    add_job_columns()
    add_job_indexes()
    guard_transitions()
    add_attempt_columns()
    create_workers()
    create_queues_and_limits()


def add_job_columns() -> None:
    for column in (
        sa.Column("unique_key", sa.Text),
        sa.Column("limit_key", sa.Text),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("requeue_of", sa.Uuid),
        sa.Column("effect_id", sa.Uuid),
        sa.Column("traceparent", sa.Text),
        sa.Column("completion", JSONB),
        sa.Column("queued_at", MOMENT),
        sa.Column("blocked_by", sa.Text),
        sa.Column("blocked_since", MOMENT),
        sa.Column("blocked_ms", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("place_until", MOMENT),
        sa.Column("snoozes", sa.SmallInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("error_fingerprint", sa.Text),
        sa.Column("progress", JSONB),
    ):
        op.add_column("jobs", column)
    op.alter_column("jobs", "priority", server_default=sa.text("'4'"))
    op.create_foreign_key("fk_jobs_parent_id_jobs", "jobs", "jobs", ["parent_id"], ["job_id"], ondelete="SET NULL")
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", "kind in ('collect', 'notify', 'requeue')")
    op.create_check_constraint(
        op.f("ck_jobs_blocked"),
        "jobs",
        "blocked_by is null or (state = 'queued' and blocked_by in ('concurrency', 'paused', 'rate'))",
    )


def add_job_indexes() -> None:
    for name, columns, where in (
        ("ix_jobs_dispatched", ["dispatched_at"], "state = 'queued' and blocked_by is null"),
        ("ix_jobs_blocked", ["limit_key", sa.text("priority desc"), "run_at"], "blocked_by in ('concurrency', 'rate')"),
        ("ix_jobs_paused", ["queue", sa.text("priority desc"), "run_at"], "blocked_by = 'paused'"),
        (
            "ix_jobs_limited",
            ["limit_key"],
            "limit_key is not null and (state = 'running' or (state = 'queued' and place_until is not null))",
        ),
        ("ix_jobs_deadline", ["expires_at"], f"expires_at is not null and state in {WAITING}"),
        ("ix_jobs_failed", ["error_fingerprint", "finished_at"], "state = 'failed'"),
        ("ix_jobs_parent", ["parent_id", "job_id"], "parent_id is not null"),
        ("ix_jobs_unique_key", ["unique_key", "job_id"], "unique_key is not null"),
        ("ix_jobs_limit_key", ["limit_key", "job_id"], "limit_key is not null"),
    ):
        op.create_index(name, "jobs", columns, postgresql_where=sa.text(where))
    op.create_index(
        "ix_jobs_labels", "jobs", ["labels"], postgresql_using="gin", postgresql_where=sa.text("labels <> '{}'::jsonb")
    )
    for name, column, where in (
        ("uq_jobs_unique_key", "unique_key", f"unique_key is not null and state in {LIVE}"),
        ("uq_jobs_requeue_of", "requeue_of", "requeue_of is not null"),
    ):
        op.create_index(name, "jobs", [column], unique=True, postgresql_where=sa.text(where))


def guard_transitions() -> None:
    """A trigger whose condition is all it costs: the function is called only to refuse."""
    op.execute(
        """
        create function refuse_job_transition() returns trigger language plpgsql as $$
        begin
            raise exception 'job % cannot go from % to %', old.job_id, old.state, new.state
                using errcode = 'check_violation', constraint = 'tr_jobs_transition';
        end $$
        """
    )
    op.execute(
        f"""
        create trigger tr_jobs_transition before update of state on jobs for each row
        when (old.state <> new.state and (old.state, new.state) not in ({ALLOWED}))
        execute function refuse_job_transition()
        """
    )


def add_attempt_columns() -> None:
    for column in (
        sa.Column("worker_version", sa.Text),
        sa.Column("fingerprint", sa.Text),
        sa.Column("due_at", MOMENT),
        sa.Column("queued_at", MOMENT),
        sa.Column("blocked_ms", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("claim_ms", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("recorded_at", MOMENT, server_default=NOW, nullable=False),
    ):
        op.add_column("job_attempts", column)
    op.drop_constraint(op.f("ck_job_attempts_outcome"), "job_attempts")
    op.create_check_constraint(
        op.f("ck_job_attempts_outcome"),
        "job_attempts",
        "outcome in ('cancelled', 'failed', 'fenced', 'lost', 'released', 'snoozed', 'succeeded')",
    )


def create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("queues", ARRAY(sa.Text), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("busy", sa.Integer, nullable=False),
        sa.Column("loop_lag_ms", sa.Double, nullable=False),
        sa.Column("rss_bytes", sa.Double, nullable=False),
        sa.Column("lease_seconds", sa.Double, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ordered", sa.Text),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_workers")),
        sa.CheckConstraint("state in ('quiet', 'running', 'stopping')", name=op.f("ck_workers_state")),
        sa.CheckConstraint("ordered in ('quiet')", name=op.f("ck_workers_ordered")),
        postgresql_with={"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"},
    )


def create_queues_and_limits() -> None:
    op.create_table(
        "queues",
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("paused_at", MOMENT),
        sa.Column("draining_at", MOMENT),
        sa.Column("changed_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("admission_limit", sa.Integer),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queues")),
    )
    op.create_table(
        "limits",
        sa.Column("limit_key", sa.Text, nullable=False),
        sa.Column("max_running", sa.Integer),
        sa.Column("rate_max", sa.Integer),
        sa.Column("rate_seconds", sa.Double),
        sa.Column("rate_tat", MOMENT),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("limit_key", name=op.f("pk_limits")),
        sa.CheckConstraint("max_running > 0", name=op.f("ck_limits_max_running")),
        sa.CheckConstraint("(rate_max is null) = (rate_seconds is null)", name=op.f("ck_limits_rate")),
        sa.CheckConstraint("rate_max > 0 and rate_seconds > 0", name=op.f("ck_limits_rate_positive")),
    )
    op.create_table(
        "broker_epochs",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("broker", name=op.f("pk_broker_epochs")),
    )


def downgrade() -> None:
    for table in ("broker_epochs", "limits", "queues", "workers"):
        op.drop_table(table)
    op.execute("delete from job_attempts where outcome = 'snoozed'")
    op.drop_constraint(op.f("ck_job_attempts_outcome"), "job_attempts")
    op.create_check_constraint(
        op.f("ck_job_attempts_outcome"),
        "job_attempts",
        "outcome in ('cancelled', 'failed', 'fenced', 'lost', 'released', 'succeeded')",
    )
    for column in ("worker_version", "fingerprint", "due_at", "queued_at", "blocked_ms", "claim_ms", "recorded_at"):
        op.drop_column("job_attempts", column)
    op.execute("drop trigger tr_jobs_transition on jobs")
    op.execute("drop function refuse_job_transition()")
    op.execute("delete from jobs where kind = 'requeue'")
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", "kind in ('collect', 'notify')")
    op.alter_column("jobs", "priority", server_default=sa.text("'0'"))
    op.drop_index("ix_jobs_labels", "jobs")
    op.drop_constraint(op.f("ck_jobs_blocked"), "jobs")
    # Dropping a column drops the indexes that stand on it.
    for column in (
        "unique_key", "limit_key", "parent_id", "requeue_of", "effect_id", "traceparent", "completion", "queued_at",
        "blocked_by", "blocked_since", "blocked_ms", "place_until", "snoozes", "error_fingerprint", "progress",
    ):  # fmt: skip
        op.drop_column("jobs", column)
    op.drop_index("ix_jobs_deadline", "jobs")

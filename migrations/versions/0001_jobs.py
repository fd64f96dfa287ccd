"""Jobs, their attempts, and the idempotency keys they were submitted under."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("now()")
TERMINAL = "('cancelled', 'expired', 'failed', 'succeeded')"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("priority", sa.SmallInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("spec", JSONB, nullable=False),
        sa.Column("labels", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("attempt", sa.SmallInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("lost_attempts", sa.SmallInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger, nullable=False),
        sa.Column("dispatch_no", sa.Integer, server_default=sa.text("1"), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True)),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True)),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True)),
        sa.Column("result", JSONB),
        sa.Column("error", JSONB),
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
        sa.CheckConstraint("kind in ('collect', 'notify')", name=op.f("ck_jobs_kind")),
        sa.CheckConstraint(
            "state in ('cancelled', 'expired', 'failed', 'queued', 'retrying', 'running', 'scheduled', 'succeeded')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(f"(state in {TERMINAL}) = (finished_at is not null)", name=op.f("ck_jobs_finished")),
        sa.CheckConstraint("(state = 'running') = (lease_token is not null)", name=op.f("ck_jobs_leased")),
        postgresql_with={"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index(
        "ix_jobs_queued", "jobs", ["queue", "run_at", "job_id"], postgresql_where=sa.text("state = 'queued'")
    )
    op.create_index("ix_jobs_due", "jobs", ["run_at"], postgresql_where=sa.text("state in ('scheduled', 'retrying')"))
    op.create_index("ix_jobs_leased", "jobs", ["lease_expires_at"], postgresql_where=sa.text("state = 'running'"))
    op.create_index("ix_jobs_finished", "jobs", ["finished_at"], postgresql_where=sa.text(f"state in {TERMINAL}"))
    create_attempts()
    create_idempotency_keys()


def create_attempts() -> None:
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("attempt", sa.SmallInteger, nullable=False),
        sa.Column("dispatch_no", sa.Integer, nullable=False),
        sa.Column("worker_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("queue_wait_ms", sa.Double, nullable=False),
        sa.Column("run_ms", sa.Double, nullable=False),
        sa.Column("detail", JSONB),
        sa.PrimaryKeyConstraint("job_id", "attempt", "dispatch_no", name="pk_job_attempts"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_job_attempts_job_id_jobs", ondelete="CASCADE"),
        sa.CheckConstraint(
            "outcome in ('cancelled', 'failed', 'fenced', 'lost', 'released', 'succeeded')",
            name=op.f("ck_job_attempts_outcome"),
        ),
    )


def create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_table("job_attempts")
    op.drop_table("jobs")

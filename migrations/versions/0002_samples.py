"""Series, samples, their current state, roll-ups, and what each job found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOT_YET = sa.text("'1970-01-01 00:00:00+00'")


def upgrade() -> None:
    create_series()
    create_samples()
    create_job_samples()
    create_rollups()


def create_series() -> None:
    op.create_table(
        "series",
        sa.Column("series_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(identity) = 32", name=op.f("ck_series_identity")),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_series")),
        sa.UniqueConstraint("identity", name=op.f("uq_series_identity")),
    )
    op.create_index("ix_series_name", "series", ["name"])
    op.create_index(
        "ix_series_labels", "series", ["labels"], postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}
    )
    op.create_table(
        "series_current",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_series_current")),
        postgresql_with={"fillfactor": "50"},
    )


def create_samples() -> None:
    op.create_table(
        "sample",
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("extras", postgresql.ARRAY(sa.Double()), nullable=True),
        sa.PrimaryKeyConstraint("series_id", "ts", name=op.f("pk_sample")),
        postgresql_partition_by="RANGE (ts)",
    )
    op.create_index(
        "ix_sample_ts", "sample", ["ts"], postgresql_using="brin", postgresql_with={"pages_per_range": "32"}
    )


def create_job_samples() -> None:
    op.create_table(
        "job_samples",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_samples")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name=op.f("fk_job_samples_job_id_jobs"), ondelete="CASCADE"
        ),
    )


def create_rollups() -> None:
    create_rollup("rollup_1h", postgresql_partition_by="RANGE (bucket)")
    create_rollup("rollup_1d")
    op.create_table(
        "rollup_state",
        sa.Column("is_only", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hours_computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("days_computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("samples_from", sa.DateTime(timezone=True), server_default=NOT_YET, nullable=False),
        sa.Column("hours_from", sa.DateTime(timezone=True), server_default=NOT_YET, nullable=False),
        sa.CheckConstraint("is_only", name=op.f("ck_rollup_state_single")),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_rollup_state")),
    )
    op.create_table(
        "rollup_dirty",
        sa.Column("mark_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("mark_id", name=op.f("pk_rollup_dirty")),
    )


def create_rollup(name: str, **options: str) -> None:
    op.create_table(
        name,
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("value_sum", sa.Double(), nullable=True),
        sa.Column("value_min", sa.Double(), nullable=True),
        sa.Column("value_max", sa.Double(), nullable=True),
        sa.Column("latest", sa.Double(), nullable=True),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("value_count", sa.Integer(), nullable=False),
        sa.Column("up", sa.Integer(), nullable=False),
        sa.Column("degraded", sa.Integer(), nullable=False),
        sa.Column("down", sa.Integer(), nullable=False),
        sa.Column("error", sa.Integer(), nullable=False),
        sa.Column("metric", sa.SmallInteger(), nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("series_id", "metric", "bucket", name=op.f(f"pk_{name}")),
        **options,
    )
    op.create_index(
        f"ix_{name}_bucket", name, ["bucket"], postgresql_using="brin", postgresql_with={"pages_per_range": "16"}
    )


def downgrade() -> None:
    for table in (
        "rollup_dirty",
        "rollup_state",
        "rollup_1d",
        "rollup_1h",
        "job_samples",
        "sample",
        "series_current",
        "series",
    ):
        op.drop_table(table)

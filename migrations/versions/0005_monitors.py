"""Monitors, how they stand, their schedules, missed slots, heartbeats and secrets; samples packed by the day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
NONE = sa.text("0")
NOT_YET = sa.text("'1970-01-01 00:00:00+00'")
MOMENT = sa.DateTime(timezone=True)
HOT_ROW = {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"}
KINDS = "('collect', 'notify', 'requeue', 'round')"
REASONS = "('egress_down', 'late', 'overload', 'paused', 'worker_lost')"


def upgrade() -> None:
    create_monitors()
    create_states()
    create_schedules()
    create_heartbeats()
    create_listening()
    create_secrets()
    add_rounds()
    create_sample_archive()
    add_worker_columns()


def create_monitors() -> None:
    op.create_table(
        "monitors",
        sa.Column("monitor_id", sa.Uuid, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("is_sealed", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("shown", JSONB, nullable=False),
        sa.Column("secret_names", ARRAY(sa.Text), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("interval_ms", sa.BigInteger),
        sa.Column("cron", sa.Text),
        sa.Column("timezone", sa.Text, server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("confirmations", sa.SmallInteger, nullable=False),
        sa.Column("confirm_ms", sa.Integer, nullable=False),
        sa.Column("labels", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("paused_at", MOMENT),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", name=op.f("pk_monitors")),
        sa.UniqueConstraint("series_id", name=op.f("uq_monitors_series_id")),
        sa.CheckConstraint("(interval_ms is null) <> (cron is null)", name=op.f("ck_monitors_schedule")),
    )
    op.create_index("uq_monitors_name", "monitors", ["group_name", "name"], unique=True)
    op.create_index(
        "ix_monitors_labels",
        "monitors",
        ["labels"],
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    )
    op.create_index("ix_monitors_secret_names", "monitors", ["secret_names"], postgresql_using="gin")
    op.create_index("ix_monitors_owner", "monitors", ["owner"], postgresql_where=sa.text("owner is not null"))


def of_monitor() -> sa.Column[object]:
    return sa.Column("monitor_id", sa.Uuid, sa.ForeignKey("monitors.monitor_id", ondelete="CASCADE"), nullable=False)


def create_states() -> None:
    op.create_table(
        "monitor_states",
        of_monitor(),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("covered_until", MOMENT),
        sa.Column("last_at", MOMENT),
        sa.Column("first_failed_at", MOMENT),
        sa.Column("sampled_at", MOMENT),
        sa.Column("duration_ms", sa.Double),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("outcome", sa.SmallInteger),
        sa.Column("failing", sa.SmallInteger, server_default=NONE, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("beats", sa.LargeBinary, server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", name=op.f("pk_monitor_states")),
        postgresql_with=HOT_ROW,
    )
    op.create_table(
        "state_spans",
        of_monitor(),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("previous_state", sa.SmallInteger),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("monitor_id", "started_at", name=op.f("pk_state_spans")),
    )
    op.create_index("ix_state_spans_started_at", "state_spans", ["started_at"])
    link_spans()


def link_spans() -> None:
    """Let each span know the state before it, whoever writes it and in whichever order.

    So the time in each state is a sum over the changes within a window, without a walk along each timeline.
    """
    op.execute(
        """
        create function link_state_span() returns trigger language plpgsql as $$
        begin
            new.previous_state := (
                select state from state_spans
                where monitor_id = new.monitor_id and started_at < new.started_at
                order by started_at desc limit 1);
            update state_spans set previous_state = new.state
            where monitor_id = new.monitor_id and started_at = (
                select min(started_at) from state_spans
                where monitor_id = new.monitor_id and started_at > new.started_at);
            return new;
        end $$
        """
    )
    op.execute(
        """
        create trigger tr_state_spans_link before insert or update of state on state_spans for each row
        execute function link_state_span()
        """
    )


def create_schedules() -> None:
    op.create_table(
        "schedules",
        of_monitor(),
        sa.Column("due_at", MOMENT),
        sa.Column("next_slot", MOMENT),
        sa.Column("confirm_at", MOMENT),
        sa.Column("confirmation", sa.SmallInteger, server_default=NONE, nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", name=op.f("pk_schedules")),
        postgresql_with=HOT_ROW,
    )
    op.create_index("ix_schedules_due", "schedules", ["due_at"], postgresql_where=sa.text("due_at is not null"))
    op.create_table(
        "scheduler",
        sa.Column("is_only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("ran_at", MOMENT, nullable=False),
        sa.Column("overloaded_since", MOMENT),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_scheduler")),
        sa.CheckConstraint("is_only", name=op.f("ck_scheduler_single")),
    )
    op.create_table(
        "slot_gaps",
        of_monitor(),
        sa.Column("first_slot", MOMENT, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("last_slot", MOMENT, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", "first_slot", "reason", name=op.f("pk_slot_gaps")),
        sa.CheckConstraint(f"reason in {REASONS}", name=op.f("ck_slot_gaps_reason")),
        sa.CheckConstraint("slots > 0 and first_slot <= last_slot", name=op.f("ck_slot_gaps_span")),
    )
    op.create_index("ix_slot_gaps_last_slot", "slot_gaps", ["last_slot"])


def create_heartbeats() -> None:
    op.create_table(
        "heartbeats",
        of_monitor(),
        sa.Column("ping_id", sa.Uuid, nullable=False),
        sa.Column("push_token", sa.Text, nullable=False),
        sa.Column("slug", sa.Text),
        sa.Column("grace_ms", sa.BigInteger, nullable=False),
        sa.Column("pinged_at", MOMENT),
        sa.Column("armed_at", MOMENT),
        sa.Column("expected_at", MOMENT),
        sa.Column("started_at", MOMENT),
        sa.Column("run_id", sa.Uuid),
        sa.Column("pings", sa.BigInteger, server_default=NONE, nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", name=op.f("pk_heartbeats")),
        sa.UniqueConstraint("ping_id", name=op.f("uq_heartbeats_ping_id")),
        sa.UniqueConstraint("push_token", name=op.f("uq_heartbeats_push_token")),
        postgresql_with=HOT_ROW,
    )
    op.create_index("ix_heartbeats_slug", "heartbeats", ["slug"])
    op.create_table(
        "pings",
        of_monitor(),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("run_id", sa.Uuid),
        sa.Column("exit_status", sa.SmallInteger),
        sa.Column("duration_ms", sa.Double),
        sa.Column("scheme", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("remote_address", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.PrimaryKeyConstraint("monitor_id", "number", name=op.f("pk_pings")),
    )


def create_listening() -> None:
    op.create_table(
        "ping_keys",
        sa.Column("key_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_ping_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_ping_keys_digest")),
    )
    op.create_table(
        "listening",
        sa.Column("is_only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("heard_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_listening")),
        sa.CheckConstraint("is_only", name=op.f("ck_listening_single")),
    )
    op.create_table(
        "deaf_spans",
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("started_at", name=op.f("pk_deaf_spans")),
        sa.CheckConstraint("started_at < ended_at", name=op.f("ck_deaf_spans_span")),
    )


def create_secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )


def add_rounds() -> None:
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", f"kind in {KINDS}")
    op.add_column("jobs", sa.Column("settled_at", MOMENT))
    op.create_index(
        "ix_jobs_unsettled",
        "jobs",
        ["finished_at"],
        postgresql_where=sa.text(
            "kind = 'round' and settled_at is null and state in ('cancelled', 'expired', 'failed')"
        ),
    )
    op.create_index(
        "ix_jobs_rounds",
        "jobs",
        ["finished_at"],
        postgresql_where=sa.text("kind = 'round' and finished_at is not null"),
    )


def create_sample_archive() -> None:
    op.add_column("series", sa.Column("monitor_id", sa.Uuid))
    for table in ("rollup_1h", "rollup_1d"):
        op.add_column(table, sa.Column("late", sa.Integer, server_default=NONE, nullable=False))
    op.create_table(
        "sample_note",
        sa.Column("ts", MOMENT, nullable=False),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("series_id", "ts", name=op.f("pk_sample_note")),
        postgresql_partition_by="RANGE (ts)",
    )
    op.create_table(
        "sample_late",
        sa.Column("ts", MOMENT, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("outcome", sa.SmallInteger, nullable=False),
        sa.Column("extras", ARRAY(sa.Double)),
        sa.PrimaryKeyConstraint("series_id", "ts", name=op.f("pk_sample_late")),
    )
    op.create_table(
        "sample_chunk",
        sa.Column("series_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("codec", sa.SmallInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("series_id", "day", name=op.f("pk_sample_chunk")),
        postgresql_partition_by="RANGE (day)",
    )
    # They are compressed already.
    op.execute("alter table sample_chunk alter column data set storage external")
    op.add_column("rollup_state", sa.Column("chunked_until", MOMENT, server_default=NOT_YET, nullable=False))
    op.add_column("rollup_state", sa.Column("closed_until", MOMENT, server_default=NOT_YET, nullable=False))
    op.add_column("rollup_state", sa.Column("corrections", sa.BigInteger, server_default=sa.text("0"), nullable=False))
    op.create_table(
        "storage_drops",
        sa.Column("drop_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("partition", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("drop_id", name=op.f("pk_storage_drops")),
    )


def add_worker_columns() -> None:
    for name in ("checks_per_second", "cpu_share"):
        op.add_column("workers", sa.Column(name, sa.Double, server_default=NONE, nullable=False))
    op.add_column("workers", sa.Column("egress", sa.Text, server_default=sa.text("'unwatched'"), nullable=False))


def downgrade() -> None:
    for column in ("checks_per_second", "cpu_share", "egress"):
        op.drop_column("workers", column)
    op.drop_table("storage_drops")
    for column in ("chunked_until", "closed_until", "corrections"):
        op.drop_column("rollup_state", column)
    for table in ("sample_chunk", "sample_late", "sample_note"):
        op.drop_table(table)
    for table in ("rollup_1h", "rollup_1d"):
        op.drop_column(table, "late")
    op.drop_column("series", "monitor_id")
    op.drop_index("ix_jobs_rounds", "jobs")
    op.drop_column("jobs", "settled_at")
    op.execute("delete from jobs where kind = 'round'")
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", "kind in ('collect', 'notify', 'requeue')")
    for table in (
        "secrets",
        "deaf_spans",
        "listening",
        "ping_keys",
        "pings",
        "heartbeats",
        "slot_gaps",
        "scheduler",
        "schedules",
        "state_spans",
        "monitor_states",
        "monitors",
    ):
        op.drop_table(table)
    op.execute("drop function link_state_span()")

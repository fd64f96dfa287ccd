"""Alert rules, alerts and their history; channels, notices and who was told; silences, inhibitions, maintenance."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
NONE = sa.text("0")
FIRST = sa.text("1")
MOMENT = sa.DateTime(timezone=True)
TABLES = (
    "notices",
    "tellings",
    "alert_groups",
    "channels",
    "maintenance_members",
    "maintenances",
    "inhibitions",
    "silences",
    "alert_events",
    "alerts",
    "judgements",
    "alert_rule_versions",
    "alert_rules",
    "alerting",
)


def upgrade() -> None:
    create_rules()
    create_judgements()
    create_alerts()
    create_alert_events()
    create_silences()
    create_maintenances()
    create_channels()
    create_groups()
    create_notices()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def create_rules() -> None:
    op.create_table(
        "alerting",
        sa.Column("is_only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("rules_version", sa.BigInteger, server_default=FIRST, nullable=False),
        sa.CheckConstraint("is_only", name=op.f("ck_alerting_single")),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_alerting")),
    )
    op.create_table(
        "alert_rules",
        sa.Column("rule_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("spec", JSONB, nullable=False),
        sa.Column("version", sa.BigInteger, server_default=FIRST, nullable=False),
        sa.Column("applied_version", sa.BigInteger, server_default=NONE, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("deleted_at", MOMENT),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_alert_rules")),
    )
    op.create_index(
        "ix_alert_rules_unapplied", "alert_rules", ["rule_id"], postgresql_where=sa.text("applied_version < version")
    )
    op.create_index(
        "uq_alert_rules_name", "alert_rules", ["name"], unique=True, postgresql_where=sa.text("deleted_at is null")
    )
    op.create_table(
        "alert_rule_versions",
        sa.Column("rule_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("spec", JSONB, nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "version", name=op.f("pk_alert_rule_versions")),
    )


def create_judgements() -> None:
    op.create_table(
        "judgements",
        sa.Column("rule_id", sa.Uuid, nullable=False),
        sa.Column("monitor_id", sa.Uuid, nullable=False),
        sa.Column("rule_version", sa.BigInteger, nullable=False),
        sa.Column("monitor_version", sa.BigInteger, nullable=False),
        sa.Column("judged_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("alert_id", sa.Uuid),
        sa.Column("since", MOMENT),
        sa.Column("last_met_at", MOMENT),
        sa.Column("filled_from", MOMENT),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("state", sa.Text),
        sa.Column("is_flapping", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("latched", sa.Integer, server_default=NONE, nullable=False),
        sa.Column("fires", ARRAY(MOMENT), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("windows", sa.LargeBinary, server_default=sa.text("''"), nullable=False),
        sa.Column("past", sa.LargeBinary),
        sa.PrimaryKeyConstraint("rule_id", "monitor_id", name=op.f("pk_judgements")),
        postgresql_with={"fillfactor": "60", "autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index("ix_judgements_due", "judgements", ["due_at"], postgresql_where=sa.text("due_at is not null"))
    op.create_index("ix_judgements_monitor", "judgements", ["monitor_id"])


def create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("rule_id", sa.Uuid),
        sa.Column("rule_version", sa.BigInteger),
        sa.Column("monitor_id", sa.Uuid),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("annotations", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("fired_at", MOMENT),
        sa.Column("resolved_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_flapping", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("acknowledged_at", MOMENT),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_note", sa.Text),
        sa.Column("escalated", sa.SmallInteger, server_default=NONE, nullable=False),
        sa.Column("escalate_at", MOMENT),
        sa.Column("generator_url", sa.Text),
        sa.Column("version", sa.BigInteger, server_default=FIRST, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("(state = 'resolved') = (resolved_at is not null)", name=op.f("ck_alerts_resolved")),
        sa.CheckConstraint("source in ('inbound', 'rule')", name=op.f("ck_alerts_source")),
        sa.CheckConstraint("state <> 'firing' or fired_at is not null", name=op.f("ck_alerts_fired")),
        sa.CheckConstraint("state in ('firing', 'pending', 'resolved')", name=op.f("ck_alerts_state")),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        postgresql_with={"fillfactor": "80"},
    )
    index_alerts()


def index_alerts() -> None:
    op.create_index(
        "ix_alerts_escalate", "alerts", ["escalate_at"], postgresql_where=sa.text("escalate_at is not null")
    )
    op.create_index(
        "ix_alerts_expires",
        "alerts",
        ["expires_at"],
        postgresql_where=sa.text("expires_at is not null and state in ('firing', 'pending')"),
    )
    op.create_index(
        "ix_alerts_labels", "alerts", ["labels"], postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}
    )
    op.create_index("ix_alerts_monitor", "alerts", ["monitor_id", "alert_id"])
    op.create_index(
        "ix_alerts_open",
        "alerts",
        ["rule_id", "monitor_id"],
        postgresql_where=sa.text("state in ('firing', 'pending')"),
    )
    op.create_index(
        "ix_alerts_resolved", "alerts", ["resolved_at"], postgresql_where=sa.text("resolved_at is not null")
    )
    op.create_index(
        "ix_alerts_cleared",
        "alerts",
        ["resolved_at"],
        postgresql_where=sa.text("resolved_at is not null and fired_at is null"),
    )
    op.create_index("ix_alerts_rule", "alerts", ["rule_id", "alert_id"])
    op.create_index("ix_alerts_state", "alerts", ["state", "alert_id"])
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["fingerprint"],
        unique=True,
        postgresql_where=sa.text("resolved_at is null"),
    )


def create_alert_events() -> None:
    op.create_table(
        "alert_events",
        sa.Column("event_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("alert_id", sa.Uuid, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("by", sa.Text),
        sa.Column("detail", JSONB),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_alert_events")),
    )
    op.create_index("ix_alert_events_alert", "alert_events", ["alert_id", "event_id"])


def create_silences() -> None:
    op.create_table(
        "silences",
        sa.Column("silence_id", sa.Uuid, nullable=False),
        sa.Column("matchers", sa.Text, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("comment", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.CheckConstraint("starts_at <= ends_at", name=op.f("ck_silences_span")),
        sa.PrimaryKeyConstraint("silence_id", name=op.f("pk_silences")),
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])
    op.create_table(
        "inhibitions",
        sa.Column("inhibition_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("depends_on", sa.Text),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("equal", ARRAY(sa.Text), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.CheckConstraint("(source is null) <> (depends_on is null)", name=op.f("ck_inhibitions_source")),
        sa.PrimaryKeyConstraint("inhibition_id", name=op.f("pk_inhibitions")),
    )
    op.create_index("uq_inhibitions_name", "inhibitions", ["name"], unique=True)


def create_maintenances() -> None:
    op.create_table(
        "maintenances",
        sa.Column("maintenance_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("selector", sa.Text, nullable=False),
        sa.Column("cron", sa.Text),
        sa.Column("timezone", sa.Text, server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("is_uptime_kept_clean", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("comment", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column("version", sa.BigInteger, server_default=FIRST, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.CheckConstraint("starts_at <= ends_at", name=op.f("ck_maintenances_span")),
        sa.PrimaryKeyConstraint("maintenance_id", name=op.f("pk_maintenances")),
    )
    op.create_index("ix_maintenances_live", "maintenances", ["starts_at"], postgresql_where=sa.text("ended_at is null"))
    op.create_table(
        "maintenance_members",
        sa.Column("maintenance_id", sa.Uuid, nullable=False),
        sa.Column("monitor_id", sa.Uuid, nullable=False),
        sa.Column("since", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("maintenance_id", "monitor_id", name=op.f("pk_maintenance_members")),
    )
    op.create_index("ix_maintenance_members_monitor", "maintenance_members", ["monitor_id"])


def create_channels() -> None:
    op.create_table(
        "channels",
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("is_sealed", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("shown", JSONB, nullable=False),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("matchers", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("disabled_at", MOMENT),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("deleted_at", MOMENT),
        sa.Column("failing_since", MOMENT),
        sa.Column("failures", sa.Integer, server_default=NONE, nullable=False),
        sa.Column("delivered_at", MOMENT),
        sa.Column("version", sa.BigInteger, server_default=FIRST, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_channels")),
    )
    op.create_index(
        "uq_channels_name", "channels", ["name"], unique=True, postgresql_where=sa.text("deleted_at is null")
    )


def create_groups() -> None:
    op.create_table(
        "alert_groups",
        sa.Column("group_id", sa.Uuid, nullable=False),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("notice_id", sa.Uuid),
        sa.Column("notices", sa.Integer, server_default=NONE, nullable=False),
        sa.Column("told_at", MOMENT),
        sa.Column("remind_at", MOMENT),
        sa.Column("has_more", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("receipt", JSONB),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_alert_groups")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_alert_groups_remind_at", "alert_groups", ["remind_at"], postgresql_where=sa.text("remind_at is not null")
    )
    op.create_index("uq_alert_groups_key", "alert_groups", ["channel_id", "key"], unique=True)
    op.create_table(
        "tellings",
        sa.Column("alert_id", sa.Uuid, nullable=False),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("group_id", sa.Uuid, nullable=False),
        sa.Column("wanted_at", MOMENT, nullable=False),
        sa.Column("step", sa.SmallInteger, server_default=NONE, nullable=False),
        sa.Column("fire_notice_id", sa.Uuid),
        sa.Column("resolve_notice_id", sa.Uuid),
        sa.Column("suppressed", JSONB),
        sa.Column("suppressed_at", MOMENT),
        sa.Column("is_settled", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "channel_id", name=op.f("pk_tellings")),
        postgresql_with={"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index("ix_tellings_group", "tellings", ["group_id"], postgresql_where=sa.text("not is_settled"))
    op.create_index(
        "ix_tellings_suppressed",
        "tellings",
        ["suppressed_at"],
        postgresql_where=sa.text("suppressed_at is not null and not is_settled"),
    )


def create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.Uuid, nullable=False),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("group_id", sa.Uuid),
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, server_default=NONE, nullable=False),
        sa.Column("flush_at", MOMENT, nullable=False),
        sa.Column("composed_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("content", JSONB),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind in ('alert', 'reminder', 'test')", name=op.f("ck_notices_kind")),
        sa.CheckConstraint(
            "state in ('cancelled', 'composed', 'delivered', 'empty', 'failed', 'waiting')",
            name=op.f("ck_notices_state"),
        ),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_notices_channel", "notices", ["channel_id", "notice_id"])
    op.create_index("ix_notices_ended_at", "notices", ["ended_at"], postgresql_where=sa.text("ended_at is not null"))
    op.create_index("ix_notices_group", "notices", ["group_id", "notice_id"])
    op.create_index("ix_notices_live", "notices", ["flush_at"], postgresql_where=sa.text("ended_at is null"))
    op.create_index("uq_notices_job_id", "notices", ["job_id"], unique=True)

"""Signals, decisions, events, the ledger and samples."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TABLES = (
    "signals",
    "decisions",
    "decision_nodes",
    "events",
    "shortfalls",
    "leadership",
    "exposure_ledger",
    "setpoints",
    "node_samples",
    "meter_samples",
)


def upgrade() -> None:
    op.create_table(
        "signals",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("limit_id", sa.Text(), nullable=True),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("deadline_s", sa.Double(), nullable=False),
        sa.Column("best_effort", sa.Boolean(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("raw_sha256", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id", name=op.f("pk_signals")),
    )
    op.create_index(op.f("ix_signals_received_at"), "signals", ["received_at"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("epoch", SERIAL, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("topology_sha256", sa.Text(), nullable=False),
        sa.Column("model_versions", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("objective_tok_s", sa.Double(), nullable=False),
        sa.Column("upper_bound_tok_s", sa.Double(), nullable=False),
        sa.Column("unmet", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["topology_sha256"],
            ["documents.sha256"],
            name=op.f("fk_decisions_topology_sha256_documents"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_decided_at"), "decisions", ["decided_at"], unique=False)
    op.create_table(
        "decision_nodes",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("limit_w", sa.Double(), nullable=False),
        sa.Column("draw_w", sa.Double(), nullable=False),
        sa.Column("tok_s", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("bound_limit_id", sa.Text(), nullable=True),
        sa.Column("signal_source", sa.Text(), nullable=True),
        sa.Column("signal_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_decision_nodes_decision_id_decisions")
        ),
        sa.PrimaryKeyConstraint("decision_id", "node", name=op.f("pk_decision_nodes")),
    )
    op.create_index(
        op.f("ix_decision_nodes_signal_source_signal_id"),
        "decision_nodes",
        ["signal_source", "signal_id"],
        unique=False,
    )
    op.create_table(
        "events",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("limit_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("limit_w", sa.Double(), nullable=True),
        sa.Column("baseline_w", sa.Double(), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("guaranteed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_starts_at"), "events", ["starts_at"], unique=False)
    op.create_table(
        "shortfalls",
        sa.Column("limit_id", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("excess_ws", sa.Double(), nullable=False),
        sa.Column("worst_w", sa.Double(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("limit_id", "started_at", "measured", name=op.f("pk_shortfalls")),
    )
    op.create_table(
        "leadership",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", SERIAL, nullable=False),
        sa.Column("leader", sa.Text(), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_leadership_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leadership")),
    )
    op.create_table(
        "exposure_ledger",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("held_w", sa.Double(), nullable=False),
        sa.Column("epoch", SERIAL, nullable=False),
        sa.Column("sequence", SERIAL, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_exposure_ledger")),
    )
    op.create_table(
        "setpoints",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("epoch", SERIAL, nullable=False),
        sa.Column("sequence", SERIAL, nullable=False),
        sa.Column("limit_w", sa.Double(), nullable=False),
        sa.Column("target_tok_s", sa.Double(), nullable=True),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", "epoch", "sequence", name=op.f("pk_setpoints")),
    )
    op.create_index(op.f("ix_setpoints_sent_at"), "setpoints", ["sent_at"], unique=False)
    op.create_table(
        "node_samples",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("limit_w", sa.Double(), nullable=True),
        sa.Column("enforced_w", sa.Double(), nullable=True),
        sa.Column("power_w", sa.Double(), nullable=True),
        sa.Column("tok_s", sa.Double(), nullable=True),
        sa.Column("itl_p95_ms", sa.Double(), nullable=True),
        sa.Column("ttft_p95_ms", sa.Double(), nullable=True),
        sa.Column("running", sa.Integer(), nullable=True),
        sa.Column("waiting", sa.Integer(), nullable=True),
        sa.Column("batch_limit", sa.Integer(), nullable=True),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("node", "at", name=op.f("pk_node_samples")),
    )
    op.create_index(op.f("ix_node_samples_at"), "node_samples", ["at"], unique=False)
    op.create_table(
        "meter_samples",
        sa.Column("limit_id", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("power_w", sa.Double(), nullable=True),
        sa.Column("budget_w", sa.Double(), nullable=True),
        sa.Column("exposure_w", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("limit_id", "at", name=op.f("pk_meter_samples")),
    )
    op.create_index(op.f("ix_meter_samples_at"), "meter_samples", ["at"], unique=False)
    op.execute("INSERT INTO leadership (id, epoch, leader) VALUES (1, 0, '')")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)

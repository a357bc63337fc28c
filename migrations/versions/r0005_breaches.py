"""Breaches of a limit, a view of them for auditors, and which alarm a signal is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
LASTED_S = {
    "sqlite": "((julianday(resolved_at) - julianday(started_at)) * 86400.0)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM resolved_at - started_at) AS DOUBLE PRECISION)",
}
BREACHES_REVIEWED = """
CREATE VIEW breaches_reviewed AS
SELECT limit_id,
    (SELECT simulated FROM facility) AS simulated,
    status,
    CASE WHEN escalated_at IS NOT NULL THEN 'escalated'
        WHEN critical_at IS NOT NULL THEN 'critical'
        ELSE 'warning' END AS worst_status,
    started_at, warning_at, critical_at, escalated_at, resolved_at,
    {lasted_s} AS lasted_s,
    worst_w, excess_ws, measured, known, cause
FROM breaches
"""


def upgrade() -> None:
    op.create_table(
        "breaches",
        sa.Column("limit_id", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("warning_at", MOMENT, nullable=False),
        sa.Column("critical_at", MOMENT, nullable=True),
        sa.Column("escalated_at", MOMENT, nullable=True),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("worst_w", sa.Double(), nullable=False),
        sa.Column("excess_ws", sa.Double(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("limit_id", "started_at", name=op.f("pk_breaches")),
    )
    op.create_index(op.f("ix_breaches_started_at"), "breaches", ["started_at"], unique=False)
    op.add_column("signals", sa.Column("alarm", sa.Text(), nullable=True))
    dialect = op.get_bind().dialect.name
    op.execute(BREACHES_REVIEWED.format(lasted_s=LASTED_S[dialect]))


def downgrade() -> None:
    op.execute("DROP VIEW breaches_reviewed")
    op.drop_column("signals", "alarm")
    op.drop_table("breaches")

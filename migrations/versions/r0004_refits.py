"""Where a model came from and why it was refused; the clock lock beside each node sample."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "models", sa.Column("origin", sa.Text(), nullable=False, server_default="profile")
    )
    op.add_column("models", sa.Column("refused", sa.Text(), nullable=True))
    op.add_column("node_samples", sa.Column("clock_mhz", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("node_samples", "clock_mhz")
    op.drop_column("models", "refused")
    op.drop_column("models", "origin")

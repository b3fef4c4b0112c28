"""The clearing simulator remembers in a file of its own; what it kept in the bank's database goes."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "payments_clearing"
down_revision = "payments_core"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("clearing_simulator_messages")


def downgrade() -> None:
    op.create_table(
        "clearing_simulator_messages",
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=8), nullable=True),
        sa.Column("received_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_clearing_simulator_messages")),
    )

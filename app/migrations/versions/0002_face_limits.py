"""Counted tries of the face check; what officers did and why."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0002_face_limits"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "face_limits",
        sa.Column("identity_lookup", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("locked_since", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("locked_until", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("identity_lookup", name=op.f("pk_face_limits")),
    )
    op.create_index(op.f("ix_face_limits_locked_until"), "face_limits", ["locked_until"])
    op.create_table(
        "officer_acts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=26), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=False),
        sa.Column("at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_officer_acts")),
    )
    op.create_index(op.f("ix_officer_acts_subject"), "officer_acts", ["subject"])


def downgrade() -> None:
    op.drop_table("officer_acts")
    op.drop_table("face_limits")

"""Platforms that the bank's onboarding system proposes."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "platform_registrations"
down_revision = "routing_directory"
branch_labels = None
depends_on = None

_TABLE = "platform_registrations"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("registration_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=26), nullable=True),
        sa.Column("decided_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.String(length=26), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f(f"fk_{_TABLE}_application_id_applications")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["accounts.id"], name=op.f(f"fk_{_TABLE}_decided_by_accounts")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f(f"fk_{_TABLE}_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
        sa.UniqueConstraint("application_id", "registration_id", name=op.f(f"uq_{_TABLE}_application_id")),
    )


def downgrade() -> None:
    op.drop_table(_TABLE)

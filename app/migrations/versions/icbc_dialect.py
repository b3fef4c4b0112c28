"""The ICBC dialect's settings, keys of access tokens, what an authorization's consent was bound to."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "icbc_dialect"
down_revision = "0005_face_checks"
branch_labels = None
depends_on = None

_FORGOTTEN = ("authorization_codes", "pushed_requests", "refresh_tokens")


def upgrade() -> None:
    op.create_table(
        "icbc_applications",
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("aes_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sha1_answers", sa.Boolean(), nullable=False),
        sa.Column("changed_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_icbc_applications_application_id_applications")
        ),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_icbc_applications")),
    )
    op.create_table(
        "token_keys",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("active_from", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_token_keys")),
        sa.UniqueConstraint("active_from", name=op.f("uq_token_keys_active_from")),
        sa.UniqueConstraint("name", name=op.f("uq_token_keys_name")),
    )
    op.add_column("authorizations", sa.Column("consent_sha256", sa.String(length=64), nullable=True))
    op.add_column("authorizations", sa.Column("face_check_id", sa.String(length=26), nullable=True))
    for table in _FORGOTTEN:
        op.create_index(op.f(f"ix_{table}_expires_at"), table, ["expires_at"], unique=False)


def downgrade() -> None:
    for table in _FORGOTTEN:
        op.drop_index(op.f(f"ix_{table}_expires_at"), table)
    op.drop_column("authorizations", "face_check_id")
    op.drop_column("authorizations", "consent_sha256")
    op.drop_table("token_keys")
    op.drop_table("icbc_applications")

"""Reviews of portraits, the enterprise register, assisted reviews, withdrawals and holds; provisional accounts."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0004_proofing"
down_revision = "payment_outbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("provisional", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "enterprise_register",
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("representative_lookup", sa.LargeBinary(), nullable=False),
        sa.Column("identity_lookup", sa.LargeBinary(), nullable=False),
        sa.Column("entered_by", sa.String(length=64), nullable=False),
        sa.Column("entered_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uscc", name=op.f("pk_enterprise_register")),
    )
    op.create_table(
        "log_in_counts",
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("pk_log_in_counts")),
    )
    op.create_table(
        "consent_withdrawals",
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("asked_by", sa.String(length=26), nullable=False),
        sa.Column("asked_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("executed_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_consent_withdrawals_person_id_persons")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_consent_withdrawals")),
    )
    op.create_index(op.f("ix_consent_withdrawals_executed_at"), "consent_withdrawals", ["executed_at"], unique=False)
    op.create_table(
        "enterprise_checks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("answer", sa.String(length=16), nullable=False),
        sa.Column("checked_by", sa.String(length=64), nullable=False),
        sa.Column("checked_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_enterprise_checks_person_id_persons")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_enterprise_checks_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enterprise_checks")),
    )
    op.create_index(op.f("ix_enterprise_checks_person_id"), "enterprise_checks", ["person_id"], unique=False)
    op.create_table(
        "person_holds",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("placed_by", sa.String(length=26), nullable=False),
        sa.Column("placed_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.String(length=26), nullable=True),
        sa.Column("lifted_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_person_holds_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_holds")),
    )
    op.create_index(op.f("ix_person_holds_person_id"), "person_holds", ["person_id"], unique=False)
    op.create_table(
        "portrait_reviews",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("portrait_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("uploaded_by", sa.String(length=26), nullable=False),
        sa.Column("uploaded_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=26), nullable=True),
        sa.Column("decided_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_portrait_reviews_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portrait_reviews")),
    )
    op.create_index(op.f("ix_portrait_reviews_person_id"), "portrait_reviews", ["person_id"], unique=False)
    op.create_index(op.f("ix_portrait_reviews_state"), "portrait_reviews", ["state"], unique=False)
    op.create_table(
        "assistance_requests",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("party_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("session_id", sa.String(length=26), nullable=False),
        sa.Column("document_sha256", sa.String(length=64), nullable=False),
        sa.Column("consent_sha256", sa.String(length=64), nullable=False),
        sa.Column("contact_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=True),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.Column("notes_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("notes_sha256", sa.String(length=64), nullable=True),
        sa.Column("decision_id", sa.String(length=26), nullable=True),
        sa.Column("identified_by", sa.String(length=26), nullable=True),
        sa.Column("confirmed_by", sa.String(length=26), nullable=True),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("code_expires_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("code_failures", sa.Integer(), nullable=False),
        sa.Column("face_check_id", sa.String(length=26), nullable=True),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_assistance_requests_contract_id_contracts")
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_assistance_requests_decision_id_decisions")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_assistance_requests_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assistance_requests")),
        sa.UniqueConstraint("session_id", name=op.f("uq_assistance_requests_session_id")),
    )
    op.create_index(op.f("ix_assistance_requests_contract_id"), "assistance_requests", ["contract_id"], unique=False)
    op.create_index(op.f("ix_assistance_requests_person_id"), "assistance_requests", ["person_id"], unique=False)
    op.create_index(op.f("ix_assistance_requests_state"), "assistance_requests", ["state"], unique=False)


def downgrade() -> None:
    op.drop_table("assistance_requests")
    op.drop_table("portrait_reviews")
    op.drop_table("person_holds")
    op.drop_table("enterprise_checks")
    op.drop_table("consent_withdrawals")
    op.drop_table("log_in_counts")
    op.drop_table("enterprise_register")
    op.drop_column("accounts", "provisional")

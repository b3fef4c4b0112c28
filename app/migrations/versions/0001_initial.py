"""The first tables, and the guards that keep ledger, payment steps and journal append-only."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger_transfers", "payment_steps")


def upgrade() -> None:
    op.create_table(
        "certified_keys",
        sa.Column("spki_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("holder", sa.String(length=300), nullable=False),
        sa.Column("first_certified_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("spki_sha256", name=op.f("pk_certified_keys")),
    )
    op.create_table(
        "clearing_simulator_messages",
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=8), nullable=True),
        sa.Column("received_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_clearing_simulator_messages")),
    )
    op.create_table(
        "crl_series",
        sa.Column("issuer", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("base_number", sa.Integer(), nullable=True),
        sa.Column("base_epoch", sa.Integer(), nullable=True),
        sa.Column("base_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_crl_series")),
    )
    op.create_table(
        "directory_versions",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("branches", sa.Integer(), nullable=False),
        sa.Column("loaded_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_directory_versions")),
    )
    with op.batch_alter_table("directory_versions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_directory_versions_effective_on"), ["effective_on"], unique=False)

    op.create_table(
        "journal_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("leaf", sa.Text(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entries")),
        sa.UniqueConstraint("leaf_index", name=op.f("uq_journal_entries_leaf_index")),
    )
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_entries_actor"), ["actor"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_entries_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_entries_kind"), ["kind"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_entries_subject"), ["subject"], unique=False)

    op.create_table(
        "journal_heads",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_journal_heads")),
    )
    op.create_table(
        "journal_lock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_lock")),
    )
    op.create_table(
        "journal_nodes",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_journal_nodes")),
    )
    op.create_table(
        "journal_witnesses",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_journal_witnesses")),
    )
    op.create_table(
        "payment_daily_use",
        sa.Column("authorization_id", sa.String(length=26), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("authorization_id", "day", name=op.f("pk_payment_daily_use")),
    )
    op.create_table(
        "person_keys",
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person_keys")),
    )
    op.create_table(
        "published_crls",
        sa.Column("issuer", sa.String(length=32), nullable=False),
        sa.Column("is_delta", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("next_update", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "is_delta", name=op.f("pk_published_crls")),
    )
    op.create_table(
        "rate_windows",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_windows")),
    )
    op.create_table(
        "revocation_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocation_epoch")),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.String(length=43), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_revoked_tokens")),
    )
    with op.batch_alter_table("revoked_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_revoked_tokens_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "spent",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", name=op.f("pk_spent")),
    )
    with op.batch_alter_table("spent", schema=None) as batch_op:
        batch_op.create_index("ix_spent_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("uscc", name=op.f("uq_tenants_uscc")),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("login", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("totp_step", sa.Integer(), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_accounts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("login", name=op.f("uq_accounts_login")),
    )
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_accounts_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "applications",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_applications_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
        sa.UniqueConstraint("client_id", name=op.f("uq_applications_client_id")),
    )
    with op.batch_alter_table("applications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_applications_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "certificates",
        sa.Column("x5t_s256", sa.String(length=43), nullable=False),
        sa.Column("issuer", sa.String(length=32), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("profile", sa.String(length=32), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=True),
        sa.Column("application_id", sa.String(length=26), nullable=True),
        sa.Column("product", sa.String(length=32), nullable=True),
        sa.Column("custody", sa.String(length=16), nullable=True),
        sa.Column("pair_id", sa.String(length=26), nullable=True),
        sa.Column("not_before", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("not_after", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("revoked_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revocation_reason", sa.String(length=32), nullable=True),
        sa.Column("issued_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("renews", sa.String(length=43), nullable=True),
        sa.Column("changed_epoch", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_certificates_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("x5t_s256", name=op.f("pk_certificates")),
        sa.UniqueConstraint("issuer", "serial", name=op.f("uq_certificates_issuer")),
    )
    with op.batch_alter_table("certificates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_certificates_application_id"), ["application_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_changed_epoch"), ["changed_epoch"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_not_after"), ["not_after"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_pair_id"), ["pair_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_profile"), ["profile"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_spki_sha256"), ["spki_sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "contracts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("template_version", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ceremony", sa.JSON(), nullable=False),
        sa.Column("prepared_sha256", sa.String(length=64), nullable=False),
        sa.Column("current_sha256", sa.String(length=64), nullable=False),
        sa.Column("seal_field", sa.String(length=64), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=26), nullable=False),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("deliver_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("signed_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_contracts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
        sa.UniqueConstraint("number", name=op.f("uq_contracts_number")),
    )
    with op.batch_alter_table("contracts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contracts_current_sha256"), ["current_sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_contracts_deliver_at"), ["deliver_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_contracts_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_contracts_signed_at"), ["signed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_contracts_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_contracts_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "directory_branches",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("bank_id", sa.String(length=32), nullable=False),
        sa.Column("area_code", sa.String(length=4), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["directory_versions.version"], name=op.f("fk_directory_branches_version_directory_versions")
        ),
        sa.PrimaryKeyConstraint("version", "code", name=op.f("pk_directory_branches")),
    )
    with op.batch_alter_table("directory_branches", schema=None) as batch_op:
        batch_op.create_index("ix_directory_branches_code", ["code"], unique=False)

    op.create_table(
        "enrolments",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=True),
        sa.Column("product", sa.String(length=32), nullable=True),
        sa.Column("custody", sa.String(length=16), nullable=True),
        sa.Column("created_by", sa.String(length=26), nullable=True),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_enrolments_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolments")),
        sa.UniqueConstraint("code_sha256", name=op.f("uq_enrolments_code_sha256")),
    )
    with op.batch_alter_table("enrolments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolments_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "journal_cosignatures",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(length=100), nullable=False),
        sa.Column("line", sa.String(length=400), nullable=False),
        sa.Column("at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"], ["journal_heads.size"], name=op.f("fk_journal_cosignatures_size_journal_heads")
        ),
        sa.ForeignKeyConstraint(
            ["witness"], ["journal_witnesses.name"], name=op.f("fk_journal_cosignatures_witness_journal_witnesses")
        ),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_journal_cosignatures")),
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind <> 'customer' OR balance_minor >= 0", name=op.f("ck_ledger_accounts_not_overdrawn")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_ledger_accounts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_accounts")),
    )
    with op.batch_alter_table("ledger_accounts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_accounts_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "payment_instructions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("instruction_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("document_sha256", sa.String(length=64), nullable=False),
        sa.Column("content_jti", sa.String(length=200), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("authorization_id", sa.String(length=26), nullable=False),
        sa.Column("product_x5t_s256", sa.String(length=43), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payer_account", sa.String(length=32), nullable=False),
        sa.Column("payee_account", sa.String(length=32), nullable=False),
        sa.Column("payee_name", sa.String(length=100), nullable=False),
        sa.Column("purpose", sa.String(length=140), nullable=False),
        sa.Column("clearing_code", sa.String(length=12), nullable=True),
        sa.Column("payee_bank_id", sa.String(length=32), nullable=True),
        sa.Column("channel", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("received_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_instructions_positive")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_payment_instructions_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_instructions")),
        sa.UniqueConstraint("tenant_id", "instruction_id", name=op.f("uq_payment_instructions_tenant_id")),
    )
    with op.batch_alter_table("payment_instructions", schema=None) as batch_op:
        batch_op.create_index("ix_payment_instructions_payer_received", ["payer_account", "received_at"], unique=False)
        batch_op.create_index("ix_payment_instructions_tenant_payee", ["tenant_id", "payee_account"], unique=False)
        batch_op.create_index("ix_payment_instructions_tenant_received", ["tenant_id", "received_at"], unique=False)

    op.create_table(
        "persons",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("identity_lookup", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("identity_number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("portrait_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("portrait_assurance", sa.String(length=32), nullable=True),
        sa.Column("portrait_set_by", sa.String(length=64), nullable=True),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_persons_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("tenant_id", "identity_lookup", name=op.f("uq_persons_tenant_id")),
    )
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.create_index("ix_persons_identity_lookup", ["identity_lookup"], unique=False)

    op.create_table(
        "authorizations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("product", sa.String(length=32), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("product_x5t_s256", sa.String(length=43), nullable=False),
        sa.Column("granted_by", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=True),
        sa.Column("granted_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_authorizations_application_id_applications")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_authorizations_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorizations")),
    )
    with op.batch_alter_table("authorizations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_authorizations_application_id"), ["application_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_authorizations_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("proposed_by", sa.String(length=26), nullable=False),
        sa.Column("proposed_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=26), nullable=True),
        sa.Column("decided_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["decided_by"], ["accounts.id"], name=op.f("fk_decisions_decided_by_accounts")),
        sa.ForeignKeyConstraint(["proposed_by"], ["accounts.id"], name=op.f("fk_decisions_proposed_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decisions_state"), ["state"], unique=False)

    op.create_table(
        "expiry_warnings",
        sa.Column("x5t_s256", sa.String(length=43), nullable=False),
        sa.Column("days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("warned_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["x5t_s256"], ["certificates.x5t_s256"], name=op.f("fk_expiry_warnings_x5t_s256_certificates")
        ),
        sa.PrimaryKeyConstraint("x5t_s256", "days", name=op.f("pk_expiry_warnings")),
    )
    op.create_table(
        "held_keys",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("x5t_s256", sa.String(length=43), nullable=False),
        sa.ForeignKeyConstraint(
            ["x5t_s256"], ["certificates.x5t_s256"], name=op.f("fk_held_keys_x5t_s256_certificates")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_held_keys")),
    )
    op.create_table(
        "invitations",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("party_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_invitations_contract_id_contracts")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_invitations_person_id_persons")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_invitations")),
    )
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitations_contract_id"), ["contract_id"], unique=False)

    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("payment_id", sa.String(length=26), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("debit_account", sa.String(length=32), nullable=False),
        sa.Column("credit_account", sa.String(length=32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("posted_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_transfers_positive")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ck_ledger_transfers_two_legs")),
        sa.ForeignKeyConstraint(
            ["credit_account"],
            ["ledger_accounts.number"],
            name=op.f("fk_ledger_transfers_credit_account_ledger_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["debit_account"],
            ["ledger_accounts.number"],
            name=op.f("fk_ledger_transfers_debit_account_ledger_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"],
            ["payment_instructions.id"],
            name=op.f("fk_ledger_transfers_payment_id_payment_instructions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
        sa.UniqueConstraint("payment_id", "kind", name=op.f("uq_ledger_transfers_payment_id")),
    )
    with op.batch_alter_table("ledger_transfers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_transfers_credit_account"), ["credit_account"], unique=False)
        batch_op.create_index(batch_op.f("ix_ledger_transfers_debit_account"), ["debit_account"], unique=False)

    op.create_table(
        "login_sessions",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_login_sessions_account_id_accounts")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_login_sessions")),
    )
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_sessions_account_id"), ["account_id"], unique=False)

    op.create_table(
        "payment_dispatches",
        sa.Column("payment_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("deferred", sa.Boolean(), nullable=False),
        sa.Column("attempted_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["payment_id"],
            ["payment_instructions.id"],
            name=op.f("fk_payment_dispatches_payment_id_payment_instructions"),
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payment_dispatches")),
    )
    with op.batch_alter_table("payment_dispatches", schema=None) as batch_op:
        batch_op.create_index("ix_payment_dispatches_state_due", ["state", "due_at"], unique=False)

    op.create_table(
        "payment_steps",
        sa.Column("payment_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment_instructions.id"], name=op.f("fk_payment_steps_payment_id_payment_instructions")
        ),
        sa.PrimaryKeyConstraint("payment_id", "position", name=op.f("pk_payment_steps")),
    )
    op.create_table(
        "pushed_requests",
        sa.Column("uri_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_pushed_requests_application_id_applications")
        ),
        sa.PrimaryKeyConstraint("uri_sha256", name=op.f("pk_pushed_requests")),
    )
    op.create_table(
        "authorization_codes",
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("authorization_id", sa.String(length=26), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.String(length=128), nullable=False),
        sa.Column("dpop_jkt", sa.String(length=43), nullable=True),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_authorization_codes_application_id_applications")
        ),
        sa.ForeignKeyConstraint(
            ["authorization_id"],
            ["authorizations.id"],
            name=op.f("fk_authorization_codes_authorization_id_authorizations"),
        ),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_authorization_codes")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("application_id", sa.String(length=26), nullable=False),
        sa.Column("authorization_id", sa.String(length=26), nullable=False),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("issued_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_refresh_tokens_application_id_applications")
        ),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["authorizations.id"], name=op.f("fk_refresh_tokens_authorization_id_authorizations")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_refresh_tokens")),
    )
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_refresh_tokens_authorization_id", ["authorization_id"], unique=False)

    op.create_table(
        "root_operations",
        sa.Column("decision_id", sa.String(length=26), nullable=False),
        sa.Column("performed_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("x5t_s256", sa.String(length=43), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_root_operations_decision_id_decisions")
        ),
        sa.ForeignKeyConstraint(
            ["x5t_s256"], ["certificates.x5t_s256"], name=op.f("fk_root_operations_x5t_s256_certificates")
        ),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_root_operations")),
    )
    op.create_table(
        "signing_sessions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("cookie_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("invitation_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_sha256"],
            ["invitations.token_sha256"],
            name=op.f("fk_signing_sessions_invitation_sha256_invitations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_sessions")),
        sa.UniqueConstraint("cookie_sha256", name=op.f("uq_signing_sessions_cookie_sha256")),
    )
    with op.batch_alter_table("signing_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signing_sessions_invitation_sha256"), ["invitation_sha256"], unique=False)

    op.create_table(
        "face_checks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("session_id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("challenge", sa.JSON(), nullable=False),
        sa.Column("issued_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=64), nullable=True),
        sa.Column("evidence_root", sa.String(length=64), nullable=True),
        sa.Column("evidence_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("pictures_sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_face_checks_contract_id_contracts")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_face_checks_person_id_persons")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["signing_sessions.id"], name=op.f("fk_face_checks_session_id_signing_sessions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_face_checks")),
    )
    with op.batch_alter_table("face_checks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_face_checks_contract_id"), ["contract_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_face_checks_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_face_checks_session_id"), ["session_id"], unique=False)

    op.create_table(
        "pending_signings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("session_id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("x5t_s256", sa.String(length=43), nullable=True),
        sa.Column("pending", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", app.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_pending_signings_contract_id_contracts")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["signing_sessions.id"], name=op.f("fk_pending_signings_session_id_signing_sessions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_signings")),
    )
    with op.batch_alter_table("pending_signings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pending_signings_session_id"), ["session_id"], unique=False)

    op.create_table(
        "signatures",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("party_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("x5t_s256", sa.String(length=43), nullable=False),
        sa.Column("face_check_id", sa.String(length=26), nullable=True),
        sa.Column("signed_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_signatures_contract_id_contracts")),
        sa.ForeignKeyConstraint(
            ["face_check_id"], ["face_checks.id"], name=op.f("fk_signatures_face_check_id_face_checks")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_signatures_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signatures")),
    )
    with op.batch_alter_table("signatures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signatures_contract_id"), ["contract_id"], unique=False)
        batch_op.create_index("ix_signatures_x5t_s256", ["x5t_s256"], unique=False)
    _guard()


def downgrade() -> None:
    with op.batch_alter_table("signatures", schema=None) as batch_op:
        batch_op.drop_index("ix_signatures_x5t_s256")
        batch_op.drop_index(batch_op.f("ix_signatures_contract_id"))

    op.drop_table("signatures")
    with op.batch_alter_table("pending_signings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pending_signings_session_id"))

    op.drop_table("pending_signings")
    with op.batch_alter_table("face_checks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_face_checks_session_id"))
        batch_op.drop_index(batch_op.f("ix_face_checks_person_id"))
        batch_op.drop_index(batch_op.f("ix_face_checks_contract_id"))

    op.drop_table("face_checks")
    with op.batch_alter_table("signing_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_signing_sessions_invitation_sha256"))

    op.drop_table("signing_sessions")
    op.drop_table("root_operations")
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.drop_index("ix_refresh_tokens_authorization_id")

    op.drop_table("refresh_tokens")
    op.drop_table("authorization_codes")
    op.drop_table("pushed_requests")
    op.drop_table("payment_steps")
    with op.batch_alter_table("payment_dispatches", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_dispatches_state_due")

    op.drop_table("payment_dispatches")
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_sessions_account_id"))

    op.drop_table("login_sessions")
    with op.batch_alter_table("ledger_transfers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_transfers_debit_account"))
        batch_op.drop_index(batch_op.f("ix_ledger_transfers_credit_account"))

    op.drop_table("ledger_transfers")
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitations_contract_id"))

    op.drop_table("invitations")
    op.drop_table("held_keys")
    op.drop_table("expiry_warnings")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decisions_state"))

    op.drop_table("decisions")
    with op.batch_alter_table("authorizations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_authorizations_tenant_id"))
        batch_op.drop_index(batch_op.f("ix_authorizations_application_id"))

    op.drop_table("authorizations")
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.drop_index("ix_persons_identity_lookup")

    op.drop_table("persons")
    with op.batch_alter_table("payment_instructions", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_instructions_tenant_received")
        batch_op.drop_index("ix_payment_instructions_tenant_payee")
        batch_op.drop_index("ix_payment_instructions_payer_received")

    op.drop_table("payment_instructions")
    with op.batch_alter_table("ledger_accounts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_accounts_tenant_id"))

    op.drop_table("ledger_accounts")
    op.drop_table("journal_cosignatures")
    with op.batch_alter_table("enrolments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrolments_tenant_id"))

    op.drop_table("enrolments")
    with op.batch_alter_table("directory_branches", schema=None) as batch_op:
        batch_op.drop_index("ix_directory_branches_code")

    op.drop_table("directory_branches")
    with op.batch_alter_table("contracts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contracts_tenant_id"))
        batch_op.drop_index(batch_op.f("ix_contracts_state"))
        batch_op.drop_index(batch_op.f("ix_contracts_signed_at"))
        batch_op.drop_index(batch_op.f("ix_contracts_expires_at"))
        batch_op.drop_index(batch_op.f("ix_contracts_deliver_at"))
        batch_op.drop_index(batch_op.f("ix_contracts_current_sha256"))

    op.drop_table("contracts")
    with op.batch_alter_table("certificates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_certificates_tenant_id"))
        batch_op.drop_index(batch_op.f("ix_certificates_spki_sha256"))
        batch_op.drop_index(batch_op.f("ix_certificates_profile"))
        batch_op.drop_index(batch_op.f("ix_certificates_pair_id"))
        batch_op.drop_index(batch_op.f("ix_certificates_not_after"))
        batch_op.drop_index(batch_op.f("ix_certificates_changed_epoch"))
        batch_op.drop_index(batch_op.f("ix_certificates_application_id"))

    op.drop_table("certificates")
    with op.batch_alter_table("applications", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_applications_tenant_id"))

    op.drop_table("applications")
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_accounts_tenant_id"))

    op.drop_table("accounts")
    op.drop_table("tenants")
    with op.batch_alter_table("spent", schema=None) as batch_op:
        batch_op.drop_index("ix_spent_expires_at")

    op.drop_table("spent")
    with op.batch_alter_table("revoked_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_revoked_tokens_expires_at"))

    op.drop_table("revoked_tokens")
    op.drop_table("revocation_epoch")
    op.drop_table("rate_windows")
    op.drop_table("published_crls")
    op.drop_table("person_keys")
    op.drop_table("payment_daily_use")
    op.drop_table("journal_witnesses")
    op.drop_table("journal_nodes")
    op.drop_table("journal_lock")
    op.drop_table("journal_heads")
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_journal_entries_subject"))
        batch_op.drop_index(batch_op.f("ix_journal_entries_kind"))
        batch_op.drop_index(batch_op.f("ix_journal_entries_at"))
        batch_op.drop_index(batch_op.f("ix_journal_entries_actor"))

    op.drop_table("journal_entries")
    with op.batch_alter_table("directory_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_directory_versions_effective_on"))

    op.drop_table("directory_versions")
    op.drop_table("crl_series")
    op.drop_table("clearing_simulator_messages")
    op.drop_table("certified_keys")


def _guard() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in APPEND_ONLY:
        for statement in _sqlite_guard(table) if sqlite else _postgresql_guard(table):
            op.execute(statement)
    for statement in _SQLITE_JOURNAL if sqlite else _POSTGRESQL_JOURNAL:
        op.execute(statement)


def _sqlite_guard(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_{operation} BEFORE {operation} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for operation in ("update", "delete")
    ]


def _postgresql_guard(table: str) -> list[str]:
    return [
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
    ]


# An entry of the journal receives its place in the tree once; nothing else of it ever changes.
_SQLITE_JOURNAL = (
    "CREATE TRIGGER journal_entries_no_delete BEFORE DELETE ON journal_entries "
    "BEGIN SELECT RAISE(ABORT, 'journal_entries is append-only'); END",
    "CREATE TRIGGER journal_entries_no_update BEFORE UPDATE ON journal_entries "
    "WHEN OLD.leaf_index IS NOT NULL OR NEW.leaf IS NOT OLD.leaf OR NEW.id IS NOT OLD.id "
    "BEGIN SELECT RAISE(ABORT, 'journal_entries is append-only'); END",
)
_POSTGRESQL_JOURNAL = (
    "CREATE FUNCTION journal_entries_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'UPDATE' AND OLD.leaf_index IS NULL AND NEW.leaf = OLD.leaf AND NEW.id = OLD.id "
    "THEN RETURN NEW; END IF; RAISE EXCEPTION 'journal_entries is append-only'; END $$",
    "CREATE TRIGGER journal_entries_append_only BEFORE UPDATE OR DELETE ON journal_entries "
    "FOR EACH ROW EXECUTE FUNCTION journal_entries_append_only()",
)

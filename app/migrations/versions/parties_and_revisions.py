"""Contracts of several parties, every stored revision by name, uploads, legal holds; when retention begins."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "parties_and_revisions"
down_revision = "icbc_dialect"
branch_labels = None
depends_on = None

MOMENT = app.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    _add_columns()
    _add_tables()
    _carry_over()


def _add_columns() -> None:
    with op.batch_alter_table("contracts", schema=None) as batch_op:
        for name in ("ended_at", "renew_at", "deleted_at", "erased_at"):
            batch_op.add_column(sa.Column(name, MOMENT, nullable=True))
        batch_op.create_index(batch_op.f("ix_contracts_ended_at"), ["ended_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_contracts_renew_at"), ["renew_at"], unique=False)
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("replaced_at", MOMENT, nullable=True))
    with op.batch_alter_table("signing_sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("document_sha256", sa.String(length=64), nullable=True))
    with op.batch_alter_table("pending_signings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("upon_sha256", sa.String(length=64), nullable=True))


def _add_tables() -> None:
    op.create_table(
        "contract_parties",
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("party_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_contract_parties_contract_id_contracts")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_contract_parties_person_id_persons")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_contract_parties_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("contract_id", "party_id", name=op.f("pk_contract_parties")),
    )
    op.create_index(op.f("ix_contract_parties_tenant_id"), "contract_parties", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_contract_parties_person_id"), "contract_parties", ["person_id"], unique=False)
    op.create_table(
        "contract_revisions",
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("party_id", sa.String(length=32), nullable=True),
        sa.Column("stored_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_contract_revisions_contract_id_contracts")
        ),
        sa.PrimaryKeyConstraint("contract_id", "sha256", name=op.f("pk_contract_revisions")),
    )
    op.create_index("ix_contract_revisions_sha256", "contract_revisions", ["sha256"], unique=False)
    op.create_table(
        "contract_holds",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(length=26), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("lifted_by", sa.String(length=26), nullable=True),
        sa.Column("lifted_at", MOMENT, nullable=True),
        sa.Column("lifting_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_contract_holds_contract_id_contracts")
        ),
        sa.ForeignKeyConstraint(["lifted_by"], ["accounts.id"], name=op.f("fk_contract_holds_lifted_by_accounts")),
        sa.ForeignKeyConstraint(["placed_by"], ["accounts.id"], name=op.f("fk_contract_holds_placed_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_holds")),
    )
    op.create_index(op.f("ix_contract_holds_contract_id"), "contract_holds", ["contract_id"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("tenant_id", sa.String(length=26), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("original_sha256", sa.String(length=64), nullable=False),
        sa.Column("accepted_sha256", sa.String(length=64), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=True),
        sa.Column("uploaded_by", sa.String(length=26), nullable=False),
        sa.Column("uploaded_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_uploads_contract_id_contracts")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_uploads_tenant_id_tenants")),
        sa.ForeignKeyConstraint(["uploaded_by"], ["accounts.id"], name=op.f("fk_uploads_uploaded_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_tenant_id"), "uploads", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_uploads_state"), "uploads", ["state"], unique=False)


def _carry_over() -> None:
    """Until now a contract had one party, and its prepared and its newest revision were on record."""
    run = op.get_bind().exec_driver_sql
    run(
        "INSERT INTO contract_parties (contract_id, party_id, position, tenant_id, person_id) "
        "SELECT c.id, i.party_id, 0, c.tenant_id, min(i.person_id) FROM contracts c "
        "JOIN invitations i ON i.contract_id = c.id GROUP BY c.id, i.party_id, c.tenant_id"
    )
    run(
        "INSERT INTO contract_revisions (contract_id, sha256, kind, party_id, stored_at) "
        "SELECT id, prepared_sha256, 'prepared', NULL, created_at FROM contracts"
    )
    run(
        "INSERT INTO contract_revisions (contract_id, sha256, kind, party_id, stored_at) "
        "SELECT id, current_sha256, CASE WHEN delivered_at IS NULL THEN 'signed' ELSE 'sealed' END, NULL, "
        "COALESCE(delivered_at, signed_at) FROM contracts WHERE current_sha256 <> prepared_sha256"
    )
    run("UPDATE contracts SET ended_at = signed_at WHERE state = 'completed'")
    run("UPDATE contracts SET ended_at = expires_at WHERE state IN ('declined', 'voided', 'expired')")
    run("UPDATE contracts SET renew_at = delivered_at WHERE delivered_at IS NOT NULL")

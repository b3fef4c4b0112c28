"""The bank directory by spans of days instead of whole copies; models, decisions and aliases of routing."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "routing_directory"
down_revision = "payments_clearing"
branch_labels = None
depends_on = None

MOMENT = app.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    _make_directory()
    _carry_over()
    op.drop_index("ix_directory_branches_code", table_name="directory_branches")
    op.drop_table("directory_branches")
    with op.batch_alter_table("directory_versions") as table:
        table.alter_column("digest", nullable=False, existing_type=sa.String(length=64))
    _make_learning()


def _make_directory() -> None:
    op.add_column("directory_versions", sa.Column("digest", sa.String(length=64), nullable=True))
    op.create_table(
        "directory_entries",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("bank_id", sa.String(length=32), nullable=False),
        sa.Column("area_code", sa.String(length=4), nullable=False),
        sa.PrimaryKeyConstraint("kind", "code", "valid_from", name=op.f("pk_directory_entries")),
    )
    op.create_index("ix_directory_entries_span", "directory_entries", ["kind", "valid_from", "valid_until"])
    op.create_table(
        "directory_areas",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("province", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("kind", "code", name=op.f("pk_directory_areas")),
    )
    op.create_table(
        "directory_renames",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("loaded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "code", "name", name=op.f("pk_directory_renames")),
    )


def _carry_over() -> None:
    """Until now there was no import, so at most the sandbox is there: it becomes what holds since it was loaded.

    The digest of such a version is its name: nothing was decided on record with it.
    """
    run = op.get_bind().exec_driver_sql
    run(
        "INSERT INTO directory_entries (kind, code, valid_from, valid_until, name, bank_id, area_code) "
        "SELECT v.kind, b.code, v.effective_on, NULL, b.name, b.bank_id, b.area_code "
        "FROM directory_branches b JOIN directory_versions v ON v.version = b.version"
    )
    run("UPDATE directory_versions SET digest = version")


def _make_learning() -> None:
    op.create_table(
        "routing_models",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=False),
        sa.Column("trained_at", MOMENT, nullable=False),
        sa.Column("in_force_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_routing_models")),
    )
    op.create_table(
        "routing_decisions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("directory_version", sa.String(length=64), nullable=False),
        sa.Column("directory_digest", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("policy_version", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["directory_version"],
            ["directory_versions.version"],
            name=op.f("fk_routing_decisions_directory_version_directory_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_decisions")),
    )
    op.create_index(op.f("ix_routing_decisions_asked_at"), "routing_decisions", ["asked_at"])
    op.create_table(
        "routing_aliases",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("words", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("confirmations", sa.Integer(), nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(length=26), nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_aliases")),
    )
    op.create_index("ix_routing_aliases_words", "routing_aliases", ["words", "state"])
    op.create_index(op.f("ix_routing_aliases_state"), "routing_aliases", ["state"])

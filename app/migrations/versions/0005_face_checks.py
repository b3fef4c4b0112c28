"""Face checks for whatever they are asked, not for contracts alone; captures seen before."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0005_face_checks"
down_revision = "0004_proofing"
branch_labels = None
depends_on = None

_REFERENCE = "fk_signatures_face_check_id_face_checks"


def upgrade() -> None:
    # SQLite changes a table by making it anew, which it refuses while another one refers to its rows.
    with op.batch_alter_table("signatures") as signatures:
        signatures.drop_constraint(_REFERENCE, type_="foreignkey")
    with op.batch_alter_table("face_checks") as checks:
        checks.add_column(sa.Column("purpose", sa.String(length=16), nullable=False, server_default="contract"))
        checks.add_column(sa.Column("face_wording_sha256", sa.String(length=64), nullable=True))
        checks.add_column(sa.Column("passed_at", app.db.UtcDateTime(timezone=True), nullable=True))
        checks.add_column(sa.Column("assurance", sa.String(length=32), nullable=True))
        checks.drop_constraint("fk_face_checks_contract_id_contracts", type_="foreignkey")
        checks.drop_constraint("fk_face_checks_session_id_signing_sessions", type_="foreignkey")
        checks.drop_index("ix_face_checks_contract_id")
        checks.drop_index("ix_face_checks_session_id")
        checks.alter_column(
            "contract_id", new_column_name="subject_id", existing_type=sa.String(length=26), type_=sa.String(length=64)
        )
        checks.alter_column(
            "session_id", new_column_name="holder", existing_type=sa.String(length=26), type_=sa.String(length=64)
        )
    op.execute("UPDATE face_checks SET passed_at = used_at WHERE outcome = 'passed'")
    with op.batch_alter_table("face_checks") as checks:
        checks.alter_column("purpose", existing_type=sa.String(length=16), server_default=None)
        checks.create_index("ix_face_checks_subject_id", ["subject_id"])
        checks.create_index("ix_face_checks_holder", ["holder"])
    with op.batch_alter_table("signatures") as signatures:
        signatures.create_foreign_key(_REFERENCE, "face_checks", ["face_check_id"], ["id"])
    op.create_table(
        "face_captures",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("taken_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("hashes_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_face_captures_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_face_captures")),
    )
    op.create_index("ix_face_captures_person_id", "face_captures", ["person_id"])
    op.create_index("ix_face_captures_taken_at", "face_captures", ["taken_at"])


def downgrade() -> None:
    raise NotImplementedError("face checks of other purposes than contracts would be lost")

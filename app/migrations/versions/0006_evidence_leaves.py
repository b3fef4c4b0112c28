"""The hashes of the leaves of a face check's evidence, beside the sealed leaves themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0006_evidence_leaves"
down_revision = "parties_and_revisions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("face_checks", sa.Column("evidence_leaves", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("face_checks", "evidence_leaves")

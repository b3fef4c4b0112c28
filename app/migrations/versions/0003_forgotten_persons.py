"""When a person was forgotten; the wrapped data keys are moved to a store of their own by the commands that upgrade."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0003_forgotten_persons"
down_revision = "0002_face_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("persons", sa.Column("forgotten_at", app.db.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("persons", "forgotten_at")

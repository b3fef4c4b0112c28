"""Closings record the balances of the accounts that moved, so that the next one starts from them."""

import sqlalchemy as sa
from alembic import op

revision = "closing_balances"
down_revision = "platform_registrations"
branch_labels = None
depends_on = None

_TABLE = "ledger_closing_balances"


def upgrade() -> None:
    op.add_column("ledger_closings", sa.Column("accounts", sa.BigInteger(), nullable=True))
    op.create_index("ix_ledger_closings_ends_at", "ledger_closings", ["ends_at"])
    op.create_index("ix_ledger_transfers_posted", "ledger_transfers", ["posted_at"], postgresql_using="brin")
    op.create_table(
        _TABLE,
        sa.Column("account", sa.String(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["ledger_accounts.number"], name=op.f(f"fk_{_TABLE}_account_ledger_accounts")
        ),
        sa.ForeignKeyConstraint(["day"], ["ledger_closings.day"], name=op.f(f"fk_{_TABLE}_day_ledger_closings")),
        sa.PrimaryKeyConstraint("account", "day", name=op.f(f"pk_{_TABLE}")),
    )
    op.create_index(op.f(f"ix_{_TABLE}_day"), _TABLE, ["day"])
    if op.get_bind().dialect.name != "sqlite":
        op.execute(
            f"CREATE TRIGGER {_TABLE}_append_only BEFORE UPDATE OR DELETE ON {_TABLE} "
            f"FOR EACH ROW EXECUTE FUNCTION payments_append_only('{_TABLE}')"
        )
        return
    for operation in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER {_TABLE}_no_{operation} BEFORE {operation} ON {_TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{_TABLE} is append-only'); END"
        )


def downgrade() -> None:
    raise NotImplementedError("closings that record balances cannot be verified without them: restore a backup")

"""An account knows when it was booked on last, so that entries stand in order whatever clocks several machines have."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "entries_in_order"
down_revision = "append_only_whole"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ledger_accounts", sa.Column("last_posted_at", app.db.UtcDateTime(timezone=True), nullable=True))
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("triggers count on the column: restore a backup")


_SQLITE = (
    "DROP TRIGGER ledger_transfers_post",
    "CREATE TRIGGER ledger_transfers_post AFTER INSERT ON ledger_transfers BEGIN "
    "SELECT RAISE(ABORT, 'no such ledger account') WHERE (SELECT count(*) FROM ledger_accounts "
    "WHERE number IN (NEW.debit_account, NEW.credit_account)) <> 2; "
    "SELECT RAISE(ABORT, 'the day of the transfer is closed') "
    "WHERE NEW.posted_at < (SELECT max(ends_at) FROM ledger_closings); "
    "UPDATE ledger_accounts SET balance_minor = balance_minor - NEW.amount_minor, "
    "last_posted_at = max(NEW.posted_at, coalesce(last_posted_at, '')) "
    "WHERE number = NEW.debit_account AND kind = 'customer'; "
    "UPDATE ledger_accounts SET balance_minor = balance_minor + NEW.amount_minor, "
    "last_posted_at = max(NEW.posted_at, coalesce(last_posted_at, '')) "
    "WHERE number = NEW.credit_account AND kind = 'customer'; END",
)
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION ledger_transfers_post() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        unknown text;
    BEGIN
        IF EXISTS (SELECT 1 FROM fresh WHERE posted_at < (SELECT max(ends_at) FROM ledger_closings)) THEN
            RAISE EXCEPTION 'the day of the transfer is closed';
        END IF;
        WITH moved AS (
            SELECT account, sum(delta)::bigint AS delta, max(posted_at) AS last FROM (
                SELECT debit_account AS account, -amount_minor AS delta, posted_at FROM fresh
                UNION ALL SELECT credit_account, amount_minor, posted_at FROM fresh
            ) AS legs GROUP BY account
        ), posted AS (
            UPDATE ledger_accounts
            SET balance_minor = balance_minor + moved.delta, last_posted_at = GREATEST(last_posted_at, moved.last)
            FROM moved WHERE number = moved.account AND kind = 'customer'
        )
        SELECT string_agg(account, ', ') INTO unknown FROM moved
        WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts WHERE number = account);
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION 'no such ledger account: %', unknown USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
)

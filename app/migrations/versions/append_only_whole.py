"""What was booked is not emptied (TRUNCATE) and not written over (INSERT OR REPLACE) either; held payments by their end."""

from alembic import op

revision = "append_only_whole"
down_revision = "closing_balances"
branch_labels = None
depends_on = None

# Their keys, by which SQLite's REPLACE would find what to write over. It fires no trigger for the row that goes, but
# triggers before an insert come before it.
KEYS = {
    "payment_instructions": ("id",),
    "payment_steps": ("payment_id", "position"),
    "payment_batch_results": ("batch_id", "position"),
    "ledger_transfers": ("id",),
    "ledger_holds": ("payment_id",),
    "ledger_closing_balances": ("account", "day"),
}
# Who inserts into these leaves what is there alone (ON CONFLICT DO NOTHING), and so does the guard.
KEYS_LEFT_ALONE = {"payment_names": ("tenant_id", "instruction_id"), "ledger_closings": ("day",)}


def upgrade() -> None:
    op.create_index("ix_payment_approvals_outcome_expires", "payment_approvals", ["outcome", "expires_at"])
    if op.get_bind().dialect.name == "sqlite":
        for table, key in KEYS.items():
            _keep_from_replace(table, key, f"RAISE(ABORT, '{table} is append-only')")
        for table, key in KEYS_LEFT_ALONE.items():
            _keep_from_replace(table, key, "RAISE(IGNORE)")
        return
    for table in (*KEYS, *KEYS_LEFT_ALONE):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION payments_append_only('{table}')"
        )
    # Partitions inherit triggers of rows and not of statements; those of days to come get theirs in partitions.py.
    op.execute(
        """
        DO $$ DECLARE part record; BEGIN
            FOR part IN SELECT inhrelid::regclass AS name, inhparent::regclass AS whole FROM pg_inherits
                WHERE inhparent IN (
                    'payment_instructions'::regclass, 'payment_steps'::regclass, 'ledger_transfers'::regclass)
            LOOP
                EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s '
                    'FOR EACH STATEMENT EXECUTE FUNCTION payments_append_only(%L)', part.name, part.whole);
            END LOOP;
        END $$
        """
    )


def downgrade() -> None:
    raise NotImplementedError("what was paid is not forgotten: restore a backup")


def _keep_from_replace(table: str, key: tuple[str, ...], refuse: str) -> None:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - names from above
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN SELECT {refuse}; END"
    )

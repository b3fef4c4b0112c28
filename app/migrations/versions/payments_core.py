"""Payments for volume: days as partitions, names for ever, batches, holds, closings; balances kept by the database."""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

import app.db

revision = "payments_core"
down_revision = "0006_evidence_leaves"
branch_labels = None
depends_on = None

REBUILT = ("payment_steps", "ledger_transfers", "payment_instructions")  # children first
APPEND_ONLY = ("ledger_transfers", "payment_steps", "payment_batch_results", "ledger_closings")
FIXED_COLUMNS = (
    "id", "tenant_id", "instruction_id", "document", "document_sha256", "content_jti", "application_id",
    "authorization_id", "product_x5t_s256", "amount_minor", "fee_minor", "payer_account", "payee_account", "payee_name",
    "purpose", "answer", "trail", "group_id", "batch_id", "batch_position", "received_at",
)  # fmt: skip
INTERNAL = (
    ("INTERNAL-FUNDING", "客户存款来源"),
    ("INTERNAL-SETTLEMENT", "存放中央银行清算款项"),
    ("INTERNAL-FEES", "手续费收入"),
    ("INTERNAL-TRANSIT-IBPS", "待清算款项"),
    ("INTERNAL-TRANSIT-BEPS", "待清算款项"),
    ("INTERNAL-TRANSIT-HVPS", "待清算款项"),
)
PARTITIONED = {"payment_instructions": "id", "payment_steps": "payment_id", "ledger_transfers": "id"}


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    _move_outbox()
    _put_aside(sqlite)
    _create_instructions()
    _create_ledger()
    _create_batches()
    if not sqlite:
        op.execute("CREATE SCHEMA payment_days")
        for table in PARTITIONED:
            op.execute(f"CREATE TABLE payment_days.{table}_other PARTITION OF {table} DEFAULT")
        for table in (
            "ledger_accounts",
            "payment_daily_use",
        ):  # their rows change all the time, in place where there is room
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
    _copy_back()
    for statement in _sqlite_guards() if sqlite else _postgresql_guards():
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("what was paid is not forgotten: restore a backup")


def _move_outbox() -> None:
    """What waits to be sent goes on waiting in the outbox that dispatches share with callbacks."""
    op.execute(
        "INSERT INTO payment_outbox (id, kind, subject, state, due_at, deferred, created_at) "
        "SELECT payment_id, 'dispatch', payment_id, state, due_at, deferred, due_at "
        "FROM payment_dispatches WHERE state <> 'done'"
    )
    op.drop_table("payment_dispatches")


def _put_aside(sqlite: bool) -> None:
    """Copy the rows and drop the tables, whose constraints no ALTER TABLE of SQLite could change."""
    for table in REBUILT:
        op.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")  # noqa: S608
        op.execute(f"DROP TABLE {table}" if sqlite else f"DROP TABLE {table} CASCADE")
    if not sqlite:
        for table in ("ledger_transfers", "payment_steps"):
            op.execute(f"DROP FUNCTION {table}_append_only()")


def _create_instructions() -> None:
    moment = app.db.UtcDateTime(timezone=True)
    op.create_table(
        "payment_instructions",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("tenant_id", sa.String(26), nullable=False),
        sa.Column("instruction_id", sa.String(64), nullable=False),
        sa.Column("document", sa.LargeBinary()),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.Column("content_jti", sa.String(200), nullable=False),
        sa.Column("application_id", sa.String(26), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("product_x5t_s256", sa.String(43), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("payer_account", sa.String(32), nullable=False),
        sa.Column("payee_account", sa.String(32), nullable=False),
        sa.Column("payee_name", sa.String(100), nullable=False),
        sa.Column("purpose", sa.String(140), nullable=False),
        sa.Column("clearing_code", sa.String(12)),
        sa.Column("payee_bank_id", sa.String(32)),
        sa.Column("channel", sa.String(8)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("trail", sa.JSON(), nullable=False),
        sa.Column("group_id", sa.String(26)),
        sa.Column("batch_id", sa.String(26)),
        sa.Column("batch_position", sa.Integer()),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_instructions_positive")),
        sa.CheckConstraint("fee_minor >= 0", name=op.f("ck_payment_instructions_fee")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_instructions")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_payment_instructions_tenant_id", "payment_instructions", ["tenant_id", "id"])
    op.create_index("ix_payment_instructions_batch", "payment_instructions", ["batch_id", "batch_position"])
    op.create_table(
        "payment_names",
        sa.Column("tenant_id", sa.String(26), nullable=False),
        sa.Column("instruction_id", sa.String(64), nullable=False),
        sa.Column("payment_id", sa.String(26), nullable=False),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "instruction_id", name=op.f("pk_payment_names")),
    )
    op.create_table(
        "payment_steps",
        sa.Column("payment_id", sa.String(26), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", "position", name=op.f("pk_payment_steps")),
        postgresql_partition_by="RANGE (payment_id)",
    )


def _create_ledger() -> None:
    moment = app.db.UtcDateTime(timezone=True)
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("payment_id", sa.String(26)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("debit_account", sa.String(32), nullable=False),
        sa.Column("credit_account", sa.String(32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("posted_at", moment, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_transfers_positive")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ck_ledger_transfers_two_legs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_ledger_transfers_debit", "ledger_transfers", ["debit_account", "posted_at", "id"])
    op.create_index("ix_ledger_transfers_credit", "ledger_transfers", ["credit_account", "posted_at", "id"])
    covered = "CHECK (held_minor >= 0 AND (kind <> 'customer' OR balance_minor >= held_minor))"
    op.execute(
        "ALTER TABLE ledger_accounts ADD COLUMN held_minor BIGINT NOT NULL DEFAULT 0 "
        f"CONSTRAINT ck_ledger_accounts_hold_covered {covered}"
    )
    op.execute("UPDATE ledger_accounts SET balance_minor = 0 WHERE kind = 'internal'")  # added up from now on
    for number, name in INTERNAL:
        op.get_bind().execute(
            sa.text(
                "INSERT INTO ledger_accounts (number, kind, name, balance_minor, opened_at) "
                "VALUES (:number, 'internal', :name, 0, :at) ON CONFLICT DO NOTHING"
            ).bindparams(sa.bindparam("at", type_=moment)),
            {"number": number, "name": name, "at": datetime.now(UTC)},
        )
    op.create_table(
        "ledger_holds",
        sa.Column("payment_id", sa.String(26), nullable=False),
        sa.Column("account", sa.String(32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("placed_at", moment, nullable=False),
        sa.Column("released_at", moment),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_holds_positive")),
        sa.ForeignKeyConstraint(
            ["account"], ["ledger_accounts.number"], name=op.f("fk_ledger_holds_account_ledger_accounts")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_ledger_holds")),
    )
    op.create_index(op.f("ix_ledger_holds_account"), "ledger_holds", ["account"])
    op.create_index("ix_ledger_holds_released_placed", "ledger_holds", ["released_at", "placed_at"])
    op.create_table(
        "ledger_closings",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("transfers", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("transfers_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("balances_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("previous_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("closed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_ledger_closings")),
    )


def _create_batches() -> None:
    moment = app.db.UtcDateTime(timezone=True)
    op.create_table(
        "payment_batches",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("tenant_id", sa.String(26), nullable=False),
        sa.Column("batch_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.Column("content_jti", sa.String(200), nullable=False),
        sa.Column("application_id", sa.String(26), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("product_x5t_s256", sa.String(43), nullable=False),
        sa.Column("payer_account", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("next_position", sa.Integer(), nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_payment_batches_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_batches")),
        sa.UniqueConstraint("tenant_id", "batch_id", name=op.f("uq_payment_batches_tenant_id")),
    )
    op.create_index("ix_payment_batches_state", "payment_batches", ["state", "updated_at"])
    op.create_table(
        "payment_batch_results",
        sa.Column("batch_id", sa.String(26), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["payment_batches.id"], name=op.f("fk_payment_batch_results_batch_id_payment_batches")
        ),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_payment_batch_results")),
    )


def _copy_back() -> None:
    kept = (
        "id, tenant_id, instruction_id, document, document_sha256, content_jti, application_id, authorization_id, "
        "product_x5t_s256, amount_minor, payer_account, payee_account, payee_name, purpose, clearing_code, "
        "payee_bank_id, channel, state, steps, reasons, answer, received_at, updated_at"
    )
    op.execute(
        f"INSERT INTO payment_instructions ({kept}, fee_minor, trail) "  # noqa: S608 - names from this file only
        f"SELECT {kept}, 0, '[]' FROM old_payment_instructions"
    )
    op.execute(
        "INSERT INTO payment_names (tenant_id, instruction_id, payment_id, document_sha256) "
        "SELECT tenant_id, instruction_id, id, document_sha256 FROM old_payment_instructions"
    )
    op.execute(
        "INSERT INTO ledger_transfers (id, payment_id, kind, debit_account, credit_account, amount_minor, posted_at) "
        "SELECT coalesce(payment_id, id) || '-' || kind, payment_id, kind, debit_account, credit_account, "
        "amount_minor, posted_at FROM old_ledger_transfers"
    )
    steps = "payment_id, position, state, facts, at"
    op.execute(f"INSERT INTO payment_steps ({steps}) SELECT {steps} FROM old_payment_steps")  # noqa: S608
    _shorten_answers()
    for table in REBUILT:
        op.execute(f"DROP TABLE old_{table}")


def _shorten_answers() -> None:
    """Of the answers that were given, keep what the other columns do not say."""
    connection = op.get_bind()
    for payment_id, text in connection.execute(sa.text("SELECT id, answer FROM old_payment_instructions")).all():
        answer = json.loads(text) if isinstance(text, str) else text
        short = {
            "state": answer["body"]["state"],
            "reasons": answer["body"]["reasons"],
            "available_balance_minor": answer["sealed"]["available_balance_minor"],
            "details": answer["sealed"]["details"],
        }
        connection.execute(
            sa.text("UPDATE payment_instructions SET answer = :answer WHERE id = :id"),
            {"id": payment_id, "answer": json.dumps(short, ensure_ascii=False)},
        )


def _sqlite_guards() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    guards = [
        f"CREATE TRIGGER {table}_no_{operation} BEFORE {operation} ON {table} {refuse.format(table=table)}"
        for table in APPEND_ONLY
        for operation in ("update", "delete")
    ]
    fixed = ", ".join(FIXED_COLUMNS)
    for operation, what in (("update", f"UPDATE OF {fixed}"), ("delete", "DELETE")):
        guards.append(
            f"CREATE TRIGGER payment_instructions_no_{operation} BEFORE {what} ON payment_instructions "
            + refuse.format(table="payment_instructions")
        )
    return [*guards, *_SQLITE_LEDGER]


# A name may be given back in the transaction that refuses the instruction, and never once there is one of that name.
_SQLITE_LEDGER = (
    "CREATE TRIGGER payment_names_no_update BEFORE UPDATE ON payment_names "
    "BEGIN SELECT RAISE(ABORT, 'payment_names is append-only'); END",
    "CREATE TRIGGER payment_names_no_delete BEFORE DELETE ON payment_names "
    "BEGIN SELECT RAISE(ABORT, 'payment_names is append-only') "
    "WHERE EXISTS (SELECT 1 FROM payment_instructions WHERE id = OLD.payment_id); END",
    "CREATE TRIGGER ledger_transfers_post AFTER INSERT ON ledger_transfers BEGIN "
    "SELECT RAISE(ABORT, 'no such ledger account') WHERE (SELECT count(*) FROM ledger_accounts "
    "WHERE number IN (NEW.debit_account, NEW.credit_account)) <> 2; "
    "SELECT RAISE(ABORT, 'the day of the transfer is closed') "
    "WHERE NEW.posted_at < (SELECT max(ends_at) FROM ledger_closings); "
    "UPDATE ledger_accounts SET balance_minor = balance_minor - NEW.amount_minor "
    "WHERE number = NEW.debit_account AND kind = 'customer'; "
    "UPDATE ledger_accounts SET balance_minor = balance_minor + NEW.amount_minor "
    "WHERE number = NEW.credit_account AND kind = 'customer'; END",
    "CREATE TRIGGER ledger_holds_place AFTER INSERT ON ledger_holds BEGIN "
    "UPDATE ledger_accounts SET held_minor = held_minor + NEW.amount_minor WHERE number = NEW.account; END",
    "CREATE TRIGGER ledger_holds_release AFTER UPDATE ON ledger_holds BEGIN "
    "SELECT RAISE(ABORT, 'ledger_holds are released once') WHERE OLD.released_at IS NOT NULL "
    "OR NEW.released_at IS NULL OR NEW.account <> OLD.account OR NEW.amount_minor <> OLD.amount_minor; "
    "UPDATE ledger_accounts SET held_minor = held_minor - NEW.amount_minor WHERE number = NEW.account; END",
    "CREATE TRIGGER ledger_holds_no_delete BEFORE DELETE ON ledger_holds "
    "BEGIN SELECT RAISE(ABORT, 'ledger_holds is append-only'); END",
)


def _postgresql_guards() -> list[str]:
    guards = [
        "CREATE FUNCTION payments_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_ARGV[0]; END $$",
    ]
    guards += [
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION payments_append_only('{table}')"
        for table in APPEND_ONLY
    ]
    fixed = ", ".join(FIXED_COLUMNS)
    guards += [
        f"CREATE TRIGGER payment_instructions_append_only BEFORE UPDATE OF {fixed} OR DELETE ON payment_instructions "
        "FOR EACH ROW EXECUTE FUNCTION payments_append_only('payment_instructions')",
        "CREATE TRIGGER ledger_holds_no_delete BEFORE DELETE ON ledger_holds "
        "FOR EACH ROW EXECUTE FUNCTION payments_append_only('ledger_holds')",
    ]
    return [*guards, *_POSTGRESQL_LEDGER]


# Once per statement and not per row: the rows of a group are added up before an account is touched.
_POSTGRESQL_LEDGER = (
    """
    CREATE FUNCTION payment_names_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' OR EXISTS (SELECT 1 FROM payment_instructions WHERE id = OLD.payment_id) THEN
            RAISE EXCEPTION 'payment_names is append-only';
        END IF;
        RETURN OLD;
    END $$
    """,
    "CREATE TRIGGER payment_names_append_only BEFORE UPDATE OR DELETE ON payment_names "
    "FOR EACH ROW EXECUTE FUNCTION payment_names_append_only()",
    """
    CREATE FUNCTION ledger_transfers_post() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        unknown text;
    BEGIN
        IF EXISTS (SELECT 1 FROM fresh WHERE posted_at < (SELECT max(ends_at) FROM ledger_closings)) THEN
            RAISE EXCEPTION 'the day of the transfer is closed';
        END IF;
        WITH moved AS (
            SELECT account, sum(delta)::bigint AS delta FROM (
                SELECT debit_account AS account, -amount_minor AS delta FROM fresh
                UNION ALL SELECT credit_account, amount_minor FROM fresh
            ) AS legs GROUP BY account
        ), posted AS (
            UPDATE ledger_accounts SET balance_minor = balance_minor + moved.delta FROM moved
            WHERE number = moved.account AND kind = 'customer'
        )
        SELECT string_agg(account, ', ') INTO unknown FROM moved
        WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts WHERE number = account);
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION 'no such ledger account: %', unknown USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER ledger_transfers_post AFTER INSERT ON ledger_transfers "
    "REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_transfers_post()",
    """
    CREATE FUNCTION ledger_holds_place() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE ledger_accounts SET held_minor = held_minor + NEW.amount_minor WHERE number = NEW.account;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER ledger_holds_place AFTER INSERT ON ledger_holds FOR EACH ROW EXECUTE FUNCTION ledger_holds_place()",
    """
    CREATE FUNCTION ledger_holds_release() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.released_at IS NOT NULL OR NEW.released_at IS NULL OR NEW.account <> OLD.account
            OR NEW.amount_minor <> OLD.amount_minor THEN
            RAISE EXCEPTION 'ledger_holds are released once';
        END IF;
        UPDATE ledger_accounts SET held_minor = held_minor - NEW.amount_minor WHERE number = NEW.account;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER ledger_holds_release AFTER UPDATE ON ledger_holds "
    "FOR EACH ROW EXECUTE FUNCTION ledger_holds_release()",
)

"""Many stored instructions for bench/payments.py: copies of one that was really carried out, in the same day.

Whatever a payment looks into grows with them: instructions, names, transfers with both their indexes, spent nonces and
known payees.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

_AT_ONCE = 100_000
_FILLERS = 2
_COLUMNS = (
    "tenant_id, document, document_sha256, content_jti, application_id, authorization_id, product_x5t_s256, "
    "amount_minor, fee_minor, payer_account, payee_account, payee_name, purpose, clearing_code, payee_bank_id, "
    "channel, state, steps, reasons, answer, trail, group_id, batch_id, batch_position, received_at, updated_at"
)
_COPY = """
FROM (
    SELECT one.*, left(one.id, 10) || left(md5(n::text), 16) AS fresh, n
    FROM (SELECT * FROM payment_instructions WHERE channel = 'book' AND batch_id IS NULL ORDER BY id LIMIT 1) AS one,
        generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
) AS copy
"""
_STATEMENTS = [
    statement + source
    for statement, source in (
        (
            f"INSERT INTO payment_instructions (id, instruction_id, {_COLUMNS}) SELECT fresh, 'F-' || n, {_COLUMNS}",
            _COPY,
        ),
        (
            "INSERT INTO payment_names (tenant_id, instruction_id, payment_id, document_sha256) "
            "SELECT tenant_id, 'F-' || n, fresh, document_sha256",
            _COPY,
        ),
        (
            "INSERT INTO risk_payees (tenant_id, account, payments, total_minor, largest_minor) "
            "SELECT tenant_id, n::text, 1, 100, 100",
            _COPY,
        ),
        (
            "INSERT INTO spent (kind, digest, expires_at) "
            "SELECT kind, sha256((kind || n)::bytea), now() + interval '1 day'",
            " FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n, "
            "(VALUES ('message-nonce'), ('content-jti')) AS kinds(kind)",
        ),
        (  # the last, because it locks the two accounts until the commit
            "INSERT INTO ledger_transfers "
            "(id, payment_id, kind, debit_account, credit_account, amount_minor, posted_at) "
            "SELECT fresh || '-book', fresh, 'book', payer_account, payee_account, 1, received_at",
            _COPY,
        ),
    )
]


def _fill_some(engine: Engine, first: int, stored: int) -> None:
    with engine.begin() as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement), {"first": first, "last": min(first + _AT_ONCE - 1, stored)})


def fill(engine: Engine, stored: int) -> None:
    """Add copies until `stored` instructions are there, and let the database look at what it has (PostgreSQL)."""
    with engine.begin() as connection:
        have = int(connection.scalar(text("SELECT count(*) FROM payment_instructions")) or 0)
    with ThreadPoolExecutor(_FILLERS) as fillers:
        list(fillers.map(lambda first: _fill_some(engine, first, stored), range(have + 1, stored + 1, _AT_ONCE)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))

"""Face checks made before the table was general are kept by its revision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, MetaData, Table, insert, text
from sqlalchemy.engine import Connection

from app.db import make_engine
from app.migrations import runner
from app.wiring import Services

AT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as the database has it
BEFORE = "0004_proofing"


@pytest.fixture
def empty(services: Services) -> Engine:
    """The same kind of database, without a table."""
    if services.engine.dialect.name == "sqlite":
        return make_engine(f"sqlite:///{services.settings.var / 'empty.db'}")
    with services.engine.begin() as connection:
        own = text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")
        for schema in connection.scalars(own).all():
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    return services.engine


def fill(connection: Connection, table: str, **values: Any) -> None:
    """One row; what is not given and must not be empty gets something of its type."""
    reflected = Table(table, MetaData(), autoload_with=connection)
    fillers: dict[type, Any] = {str: "", int: 0, bytes: b"", bool: False, datetime: AT, dict: {}, object: {}}
    row = {each.name: fillers[each.type.python_type] for each in reflected.columns if not each.nullable} | values
    connection.execute(insert(reflected).values(row))


def test_rows_of_contracts_are_kept(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(runner._config(connection), BEFORE)
        fill(connection, "tenants", id="t")
        fill(connection, "persons", id="p", tenant_id="t")
        fill(connection, "contracts", id="c", tenant_id="t")
        fill(connection, "invitations", token_sha256=b"i", contract_id="c", person_id="p")
        fill(connection, "signing_sessions", id="s", invitation_sha256=b"i")
        for check, outcome in (("passed", "passed"), ("open", None)):
            fill(
                connection,
                "face_checks",
                id=check,
                session_id="s",
                contract_id="c",
                person_id="p",
                challenge={"nonce": "n"},
                used_at=AT if outcome else None,
                outcome=outcome,
                evidence_root="r" if outcome else None,
            )
        fill(connection, "signatures", id="g", contract_id="c", face_check_id="passed")
    runner.upgrade(empty)
    with empty.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT id, purpose, subject_id, holder, evidence_root, passed_at IS NULL FROM face_checks ORDER BY id"
            )
        ).all()
        assert [tuple(row) for row in rows] == [
            ("open", "contract", "c", "s", None, True),
            ("passed", "contract", "c", "s", "r", False),
        ]
        assert connection.scalar(text("SELECT face_check_id FROM signatures")) == "passed"
    assert runner.differences(empty) == []

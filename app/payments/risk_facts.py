"""What the risk rules look at, gathered for a whole group of instructions by two statements, without scans.

`gather` counts every attempt (velocity) and reads what was paid before; `remember` adds what was booked. A refused
first payment therefore never makes a payee known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TextClause, text

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Movement:
    """One instruction on its way. `at` is aware UTC. Items of a batch do not count one by one for velocity: give the
    first of them `attempts=1` and the others 0."""

    tenant_id: str
    application_id: str
    payer_account: str
    payee_account: str
    payee_name: str
    amount_minor: int
    custody: str
    at: datetime
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Activity:
    """Earlier payments that were booked, in fen; `last_minute` counts attempts of the last 60 s, this one included."""

    payments: int
    total_minor: int
    largest_minor: int
    last_minute: int = 0


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """All that a rule may look at. `payee` is what this enterprise paid to that account before."""

    amount_minor: int
    payer_account: str
    payee_account: str
    payee_name: str
    custody: str
    at: datetime
    payee: Activity
    payer: Activity
    application: Activity


NOTHING = Activity(0, 0, 0)
Payee = tuple[str, str]


def gather(connection: Connection, movements: Sequence[Movement]) -> list[RiskFacts]:
    """The facts of each movement, in order, inside the caller's write transaction.

    Members of one call see each other's attempts, and not each other's history: that is only known once they are
    booked. Rows are locked in the order of their keys, so that two workers cannot wait for each other.
    """
    if not movements:
        return []
    dialect = connection.dialect.name
    counting, reading = _parameters(movements)
    counters = connection.execute(_COUNT[dialect], counting).all()
    return facts_of(movements, counters, connection.execute(_PAYEES[dialect], reading).all())


def gather_statements(movements: Sequence[Movement]) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """The two statements of `gather` as psycopg takes them, for a pipeline; their rows go to `facts_of`."""
    counting, reading = _parameters(movements)
    return (_DRIVER_COUNT, counting), (_DRIVER_PAYEES, reading)


def facts_of(
    movements: Sequence[Movement], counter_rows: Iterable[Sequence[Any]], payee_rows: Iterable[Sequence[Any]]
) -> list[RiskFacts]:
    """The facts of each movement, in order, from the rows of the two statements."""
    elapsed = movements[-1].at.timestamp() % _MINUTE
    counters = {
        # The minute before counts for the share of it that lies within the last 60 s.
        subject: Activity(payments, total, largest, now + int(before * (_MINUTE - elapsed) / _MINUTE))
        for subject, now, before, payments, total, largest in counter_rows
    }
    payees = {(tenant, account): Activity(*figures) for tenant, account, *figures in payee_rows}
    return [
        RiskFacts(
            each.amount_minor,
            each.payer_account,
            each.payee_account,
            each.payee_name,
            each.custody,
            each.at,
            payees.get((each.tenant_id, each.payee_account), NOTHING),
            counters[_payer(each)],
            counters[_application(each)],
        )
        for each in movements
    ]


def remember(connection: Connection, booked: Sequence[Movement]) -> None:
    """Add to the history what was booked, in the transaction that booked it."""
    if not booked:
        return
    paid: dict[str, list[int]] = {}
    payees: dict[Payee, list[int]] = {}
    for each in booked:
        _add(paid.setdefault(_payer(each), [0, 0, 0]), each.amount_minor)
        _add(payees.setdefault((each.tenant_id, each.payee_account), [0, 0, 0]), each.amount_minor)
    dialect = connection.dialect.name
    rows = json.dumps([[subject, *figures] for subject, figures in sorted(paid.items())])
    connection.execute(_REMEMBER_PAYERS[dialect], {"rows": rows})
    rows = json.dumps([[*payee, *figures] for payee, figures in sorted(payees.items())])
    connection.execute(_REMEMBER_PAYEES[dialect], {"rows": rows})


def _parameters(movements: Sequence[Movement]) -> tuple[dict[str, Any], dict[str, Any]]:
    attempts: Counter[str] = Counter()
    for each in movements:
        attempts[_payer(each)] += each.attempts
        attempts[_application(each)] += each.attempts
    minute = int(movements[-1].at.timestamp() // _MINUTE)
    rows = json.dumps([[subject, count] for subject, count in sorted(attempts.items())])
    payees = json.dumps(sorted({(each.tenant_id, each.payee_account) for each in movements}))
    return {"rows": rows, "minute": minute}, {"rows": payees}


def _add(figures: list[int], amount_minor: int) -> None:
    figures[0] += 1
    figures[1] += amount_minor
    figures[2] = max(figures[2], amount_minor)


def _payer(movement: Movement) -> str:
    return f"payer:{movement.payer_account}"


def _application(movement: Movement) -> str:
    return f"app:{movement.application_id}"


def _by_dialect(statement: str, types: Sequence[str]) -> dict[str, TextClause]:
    """The statement with its `:rows`, a JSON list of lists, as the table `given` with columns c0, c1, …

    The one thing that the two databases say differently; WHERE TRUE keeps SQLite from reading ON CONFLICT as a join.
    """
    postgresql = ", ".join(f"CAST(value->>{place} AS {kind}) AS c{place}" for place, kind in enumerate(types))
    sqlite = ", ".join(f"json_extract(value, '$[{place}]') AS c{place}" for place in range(len(types)))
    given = {
        "postgresql": f"(SELECT {postgresql} FROM json_array_elements(CAST(:rows AS json))) AS given",  # noqa: S608
        "sqlite": f"(SELECT {sqlite} FROM json_each(:rows)) AS given",  # noqa: S608 - all of it written here
    }
    return {dialect: text(statement.replace("{given}", source)) for dialect, source in given.items()}


_COUNT = _by_dialect(
    """
    INSERT INTO risk_counters (subject, minute, in_minute, in_minute_before, payments, total_minor, largest_minor)
    SELECT c0, :minute, c1, 0, 0, 0, 0 FROM {given} WHERE TRUE ORDER BY c0
    ON CONFLICT (subject) DO UPDATE SET
        in_minute_before = CASE excluded.minute - risk_counters.minute
            WHEN 0 THEN risk_counters.in_minute_before WHEN 1 THEN risk_counters.in_minute ELSE 0 END,
        in_minute = excluded.in_minute
            + CASE excluded.minute WHEN risk_counters.minute THEN risk_counters.in_minute ELSE 0 END,
        minute = excluded.minute
    RETURNING subject, in_minute, in_minute_before, payments, total_minor, largest_minor
    """,
    ("text", "int"),
)
_PAYEES = _by_dialect(
    """
    SELECT tenant_id, account, payments, total_minor, largest_minor
    FROM {given} JOIN risk_payees ON tenant_id = c0 AND account = c1
    """,
    ("text", "text"),
)
_REMEMBER_PAYERS = _by_dialect(
    """
    INSERT INTO risk_counters (subject, minute, in_minute, in_minute_before, payments, total_minor, largest_minor)
    SELECT c0, 0, 0, 0, c1, c2, c3 FROM {given} WHERE TRUE ORDER BY c0
    ON CONFLICT (subject) DO UPDATE SET
        payments = risk_counters.payments + excluded.payments,
        total_minor = risk_counters.total_minor + excluded.total_minor,
        largest_minor = CASE WHEN excluded.largest_minor > risk_counters.largest_minor
            THEN excluded.largest_minor ELSE risk_counters.largest_minor END
    """,
    ("text", "bigint", "bigint", "bigint"),
)
_REMEMBER_PAYEES = _by_dialect(
    """
    INSERT INTO risk_payees (tenant_id, account, payments, total_minor, largest_minor)
    SELECT c0, c1, c2, c3, c4 FROM {given} WHERE TRUE ORDER BY c0, c1
    ON CONFLICT (tenant_id, account) DO UPDATE SET
        payments = risk_payees.payments + excluded.payments,
        total_minor = risk_payees.total_minor + excluded.total_minor,
        largest_minor = CASE WHEN excluded.largest_minor > risk_payees.largest_minor
            THEN excluded.largest_minor ELSE risk_payees.largest_minor END
    """,
    ("text", "text", "bigint", "bigint", "bigint"),
)


def _driver_text(statement: TextClause) -> str:
    return statement.text.replace(":rows", "%(rows)s").replace(":minute", "%(minute)s")


_DRIVER_COUNT = _driver_text(_COUNT["postgresql"])
_DRIVER_PAYEES = _driver_text(_PAYEES["postgresql"])

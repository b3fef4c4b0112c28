"""What the risk rules look at, read for a whole group of instructions by two statements, without scans, and kept by
two more.

Every attempt counts (velocity), and of what was paid before only what was booked: a refused first payment never makes
a payee known. The statements are the driver's own, so that whoever takes a group can send them along with others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.writing import Statement

_MINUTE = 60


class Movement(NamedTuple):
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


class Activity(NamedTuple):
    """Earlier payments that were booked, in fen; `last_minute` counts attempts of the last 60 s, this one included."""

    payments: int
    total_minor: int
    largest_minor: int
    last_minute: int = 0


class RiskFacts(NamedTuple):
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


def reading(movements: Sequence[Movement], dialect: str) -> tuple[Statement, Statement]:
    """What to ask for a group, inside its write transaction; the rows go to `facts_of`.

    Counters are locked in the order of their keys, so that two workers cannot wait for each other.
    """
    subjects = {subject for each in movements for subject in (_payer(each), _application(each))}
    payees = {(each.tenant_id, each.payee_account) for each in movements}
    return (
        (_COUNTERS[dialect], {"rows": _rows(sorted([subject] for subject in subjects))}),
        (_PAYEES[dialect], {"rows": _rows(sorted(payees))}),
    )


def facts_of(
    movements: Sequence[Movement], counter_rows: Iterable[Sequence[Any]], payee_rows: Iterable[Sequence[Any]]
) -> list[RiskFacts]:
    """The facts of each movement, in order; the rows may be those of more movements.

    Members of one call see each other's attempts, and not each other's history: that is only known once they are
    booked.
    """
    if not movements:
        return []
    minute, elapsed = divmod(movements[-1].at.timestamp(), _MINUTE)
    attempts = _attempts(movements)
    counters = {subject: Activity(0, 0, 0, count) for subject, count in attempts.items()}
    for subject, counted, in_minute, before, payments, total, largest in counter_rows:
        if subject in attempts:
            now, earlier = _slide(int(minute) - counted, in_minute, before)
            # The minute before counts for the share of it that lies within the last 60 s.
            recent = now + attempts[subject] + int(earlier * (_MINUTE - elapsed) / _MINUTE)
            counters[subject] = Activity(payments, total, largest, recent)
    payees = {(row[0], row[1]): Activity(*row[2:]) for row in payee_rows}
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


def keeping(movements: Sequence[Movement], booked: Sequence[Movement], dialect: str) -> list[Statement]:
    """What to write: the attempts of all `movements`, and of those `booked` the amounts.

    Whoever attempted nothing now keeps the minutes that were counted. A group that waited for a lock while the minute
    ended counts for the minute before: the counters never go back to it.
    """
    counted = {subject: [count, 0, 0, 0] for subject, count in _attempts(movements).items()}
    payees: dict[Payee, list[int]] = {}
    for each in booked:
        _add(counted.setdefault(_payer(each), [0, 0, 0, 0]), each.amount_minor)
        _add(payees.setdefault((each.tenant_id, each.payee_account), [0, 0, 0, 0]), each.amount_minor)
    statements: list[Statement] = []
    if counted:
        rows = _rows([subject, *figures] for subject, figures in sorted(counted.items()))
        minute = int((movements or booked)[-1].at.timestamp() // _MINUTE)
        statements.append((_KEEP_COUNTERS[dialect], {"rows": rows, "minute": minute}))
    if payees:
        rows = _rows([*payee, *figures[1:]] for payee, figures in sorted(payees.items()))
        statements.append((_KEEP_PAYEES[dialect], {"rows": rows}))
    return statements


def remember(connection: Connection, booked: Sequence[Movement]) -> None:
    """Add to the history what was booked after it was attempted, in the transaction that booked it."""
    for statement, parameters in keeping((), booked, connection.dialect.name):
        connection.exec_driver_sql(statement, parameters)


def _attempts(movements: Sequence[Movement]) -> Mapping[str, int]:
    attempts: dict[str, int] = {}
    for each in movements:
        for subject in (_payer(each), _application(each)):
            attempts[subject] = attempts.get(subject, 0) + each.attempts
    return attempts


def _slide(minutes: int, in_minute: int, before: int) -> tuple[int, int]:
    """The counts of this minute and of the one before, from a row that was written so many minutes ago; by a group
    that came later and was quicker where the number is negative."""
    if minutes < 0:
        return in_minute + before, 0
    if minutes == 0:
        return in_minute, before
    return (0, in_minute) if minutes == 1 else (0, 0)


def _add(figures: list[int], amount_minor: int) -> None:
    figures[1] += 1
    figures[2] += amount_minor
    figures[3] = max(figures[3], amount_minor)


def _payer(movement: Movement) -> str:
    return f"payer:{movement.payer_account}"


def _application(movement: Movement) -> str:
    return f"app:{movement.application_id}"


def _rows(rows: Iterable[Sequence[Any]]) -> str:
    return json.dumps([*rows])


def _by_dialect(statement: str, types: Sequence[str]) -> dict[str, str]:
    """The statement with its `:rows`, a JSON list of lists, as the table `given` with columns c0, c1, …

    The one thing that the two databases say differently; WHERE TRUE keeps SQLite from reading ON CONFLICT as a join,
    and OFFSET 0 keeps PostgreSQL from reading the JSON again for every row that it compares.
    """
    postgresql = ", ".join(f"CAST(value->>{place} AS {kind}) AS c{place}" for place, kind in enumerate(types))
    sqlite = ", ".join(f"json_extract(value, '$[{place}]') AS c{place}" for place in range(len(types)))
    given = {
        "postgresql": f"(SELECT {postgresql} FROM json_array_elements(CAST(:rows AS json)) OFFSET 0) AS given",  # noqa: S608
        "sqlite": f"(SELECT {sqlite} FROM json_each(:rows)) AS given",  # noqa: S608 - all of it written here
    }
    texts = {dialect: statement.replace("{given}", source) for dialect, source in given.items()}
    texts["postgresql"] = re.sub(r"(?<!:):(rows|minute)\b", r"%(\1)s", texts["postgresql"])
    texts["sqlite"] = texts["sqlite"].replace("FOR NO KEY UPDATE", "")
    return texts


_COUNTERS = _by_dialect(
    """
    SELECT subject, minute, in_minute, in_minute_before, payments, total_minor, largest_minor
    FROM risk_counters WHERE subject IN (SELECT c0 FROM {given}) ORDER BY subject FOR NO KEY UPDATE
    """,
    ("text",),
)
_PAYEES = _by_dialect(
    """
    SELECT tenant_id, account, payments, total_minor, largest_minor
    FROM {given} JOIN risk_payees ON tenant_id = c0 AND account = c1
    """,
    ("text", "text"),
)
_KEEP_COUNTERS = _by_dialect(
    """
    INSERT INTO risk_counters (subject, minute, in_minute, in_minute_before, payments, total_minor, largest_minor)
    SELECT c0, :minute, c1, 0, c2, c3, c4 FROM {given} WHERE TRUE ORDER BY c0
    ON CONFLICT (subject) DO UPDATE SET
        in_minute_before = CASE
            WHEN excluded.in_minute = 0 OR excluded.minute = risk_counters.minute THEN risk_counters.in_minute_before
            WHEN excluded.minute < risk_counters.minute THEN risk_counters.in_minute_before + excluded.in_minute
            WHEN excluded.minute = risk_counters.minute + 1 THEN risk_counters.in_minute ELSE 0 END,
        in_minute = CASE
            WHEN excluded.in_minute = 0 OR excluded.minute < risk_counters.minute THEN risk_counters.in_minute
            WHEN excluded.minute = risk_counters.minute THEN risk_counters.in_minute + excluded.in_minute
            ELSE excluded.in_minute END,
        minute = CASE WHEN excluded.in_minute = 0 OR excluded.minute < risk_counters.minute
            THEN risk_counters.minute ELSE excluded.minute END,
        payments = risk_counters.payments + excluded.payments,
        total_minor = risk_counters.total_minor + excluded.total_minor,
        largest_minor = CASE WHEN excluded.largest_minor > risk_counters.largest_minor
            THEN excluded.largest_minor ELSE risk_counters.largest_minor END
    """,
    ("text", "int", "bigint", "bigint", "bigint"),
)
_KEEP_PAYEES = _by_dialect(
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

"""Which banks the payees of a group name, by the directory in force."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.payments.messages import Payee, PaymentDocument
from app.payments.parties import NotRoutable, find_bank, names_a_bank
from app.routing.problems import DirectoryMissing
from app.routing.recognition import Recogniser, Resolution
from app.routing.service import current_recogniser
from app.wiring import Services

MAX_AGE = 1.0  # seconds
Found = Resolution | NotRoutable | DirectoryMissing | None

_known: WeakKeyDictionary[Engine, tuple[float, date, Recogniser]] = WeakKeyDictionary()


def find_banks(services: Services, session: Session, payments: Mapping[str, PaymentDocument]) -> dict[str, Found]:
    """By the keys of `payments`: the payee's bank, None where none is named, or why it is not known."""
    found: dict[str, Found] = {}
    for key, terms in payments.items():
        payee = terms.payee
        try:
            recogniser = _recogniser(services, session, payee) if names_a_bank(payee) else None
            found[key] = find_bank(payee, terms.amount_minor, recogniser)
        except (NotRoutable, DirectoryMissing) as unclear:
            found[key] = unclear
    return found


def _recogniser(services: Services, session: Session, payee: Payee) -> Recogniser:
    """For words the aliases that are in force, read in this transaction. A clearing code alone needs none of them, and
    of its directory and model the versions that were in force a second ago are good."""
    if payee.bank_text is not None:
        return current_recogniser(services, session)
    known, now, today = _known.get(services.engine), time.monotonic(), services.clock().date()
    if known is None or now - known[0] > MAX_AGE or known[1] != today:
        fresh = current_recogniser(services, session)
        known = _known[services.engine] = now, today, Recogniser(fresh.directory, fresh.model, fresh.home_bank)
    return known[2]

"""The operators' page of the outbox: dead letters come to life again by a person's hand."""

from __future__ import annotations

import re

from flask import Flask

from app.payments import dispatch, inbox
from app.payments.clearing_errors import DeliveryRefused
from app.payments.jobs import dispatch_outbox
from app.routing.service import load_sandbox_directory
from app.wiring import Services
from tests.app.identity.people import make_people
from tests.app.payments.test_jobs import Connection, send, state
from tests.app.payments.world import make_bank

PAGE = "/operations/payments/outbox"


def test_a_dead_letter_is_shown_and_replayed(app: Flask, services: Services) -> None:
    people, bank = make_people(app, services), make_bank(services)
    with services.transaction() as session:
        load_sandbox_directory(services, session)
    send(bank, amount_minor=100)
    clearing = Connection(bank)
    clearing.before = DeliveryRefused("not taken today")
    dispatch.send_due(services, clearing)
    clearing.close()
    inbox.receive(services, [b"<nonsense/>"])
    operator = people.log_in("operator")
    shown = operator.get(PAGE).text
    assert "not taken today" in shown
    assert "not-iso-20022" in shown
    found = re.search(rf'action="({PAGE}/[0-9a-z]+/replay)"', shown)
    assert found
    path = found[1]
    assert operator.post(path, page=PAGE).status_code == 303
    dispatch_outbox(services)
    assert state(bank)[0] == "settled"
    with services.reading() as session:
        assert "dead-letter-replayed" in [entry.kind for entry in services.journal.entries(session, limit=20)]
    assert people.log_in("auditor").get(PAGE).status_code == 403

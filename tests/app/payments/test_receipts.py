"""Electronic receipts: made once, sealed by the bank, and checked by anybody who holds one."""

from __future__ import annotations

from datetime import timedelta

import pypdfium2
import pytest
from flask import Flask

from app.identity.models import Role, Tenant, TenantKind
from app.payments import receipts
from app.payments.jobs import dispatch_outbox
from app.payments.problems import ReceiptNotReady
from app.payments.simulator.moods import Mood
from app.problems import NotFound
from app.wiring import Services
from contracts.report import SignatureReport, Verdict
from contracts.validation import validate
from pki.revocation import GOOD
from tests.app.identity.people import BROWSER, People
from tests.app.payments.test_jobs import Connection, send
from tests.app.payments.world import Bank, payment
from tests.conftest import FakeClock


@pytest.fixture
def people(app: Flask, services: Services) -> People:
    made = People(app, services)
    made.add_tenant(TenantKind.BANK, 1)
    return made


@pytest.fixture
def paid(people: People, bank: Bank) -> str:
    """The reference of a settled payment within the bank."""
    return str(bank.pay(payment()).body["bank_reference"])


def text_of(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return str(document[0].get_textpage().get_text_range()).replace(" ", "")


def judge(services: Services, pdf: bytes) -> SignatureReport:
    """As the bank itself judges, which knows that none of its certificates is revoked."""
    return validate(pdf, services.hierarchy.trust, services.clock(), revocation=lambda _: GOOD)


def test_it_says_what_was_paid_and_carries_the_banks_seal(bank: Bank, services: Services, paid: str) -> None:
    made = receipts.get_receipt(services, bank.enterprise, paid)
    text = text_of(made.pdf)
    for expected in ("电子回单", "壹佰贰拾叁元肆角伍分", "123.45", "苏州供应商有限公司", "P-1", paid.upper()):
        assert expected in text
    assert receipts.show_code(made.verify_code) in text
    report = judge(services, made.pdf)
    [seal] = report.signatures
    assert report.covers_entire_file
    assert (report.verdict, seal.stamped_at) == (Verdict.VALID, services.clock()), report.explanation
    place = made.pdf.rindex(b"endstream") - 20
    touched = made.pdf[:place] + bytes([made.pdf[place] ^ 1]) + made.pdf[place + 1 :]
    assert judge(services, touched).verdict is not Verdict.VALID


def test_it_is_made_once(bank: Bank, services: Services, paid: str, clock: FakeClock) -> None:
    clock.advance(timedelta(microseconds=7))  # as real clocks say, and PDF dates cannot
    first = receipts.get_receipt(services, bank.enterprise, paid)
    clock.advance(timedelta(days=1))
    again = receipts.get_receipt(services, bank.enterprise, paid)
    assert (again.verify_code, again.pdf) == (first.verify_code, first.pdf)


def test_only_a_settled_payment_of_the_own_enterprise_has_one(
    people: People, routed_bank: Bank, services: Services
) -> None:
    send(routed_bank, amount_minor=100)
    reference = str(routed_bank.status(instruction_id="P-1").body["bank_reference"])
    with pytest.raises(ReceiptNotReady):
        receipts.get_receipt(services, routed_bank.enterprise, reference)
    dispatch_outbox(services)
    assert receipts.get_receipt(services, routed_bank.enterprise, reference).pdf
    with pytest.raises(NotFound):
        receipts.get_receipt(services, people.tenants.get("x", Tenant(id="z" * 26)).id, reference)


def test_whoever_holds_it_checks_it_without_an_account(bank: Bank, services: Services, paid: str, app: Flask) -> None:
    code = receipts.get_receipt(services, bank.enterprise, paid).verify_code
    client = app.test_client()

    def ask(typed: str) -> tuple[int, str]:
        answer = client.get("/receipts", query_string={"code": typed}, headers=BROWSER, base_url="https://localhost")
        return answer.status_code, answer.text

    for typed in (code, receipts.show_code(code).lower(), f" {code[:8]} {code[8:]} "):
        status, text = ask(typed)
        assert status == 200
        assert "123.45" in text
        assert "苏州供应商有限公司" not in text
        assert "苏…司" in text
    assert ask("0" * 16)[0] == 404
    assert client.get("/receipts", headers=BROWSER, base_url="https://localhost").status_code == 200


def test_money_that_came_back_shows_under_the_code(
    people: People, routed_bank: Bank, services: Services, clock: FakeClock
) -> None:
    clearing = Connection(routed_bank, Mood("returning", returned=1.0, return_delay=(60.0, 60.0)))
    send(routed_bank, amount_minor=100)
    dispatch_outbox(services, clearing)
    reference = str(routed_bank.status(instruction_id="P-1").body["bank_reference"])
    code = receipts.get_receipt(services, routed_bank.enterprise, reference).verify_code
    clock.advance(timedelta(minutes=1))
    dispatch_outbox(services, clearing)
    clearing.close()
    with services.reading() as session:
        found = receipts.find_by_code(session, code)
    assert found is not None
    assert found.state == "returned"
    assert receipts.get_receipt(services, routed_bank.enterprise, reference).verify_code == code


def test_money_that_came_back_before_anybody_asked_for_a_receipt_has_none(
    people: People, routed_bank: Bank, services: Services, clock: FakeClock
) -> None:
    with services.reading() as session:
        tenant = session.get_one(Tenant, routed_bank.enterprise)
    people.add_account("cashier", Role.ENTERPRISE_USER, tenant)
    browser = people.log_in("cashier")
    clearing = Connection(routed_bank, Mood("returning", returned=1.0))
    send(routed_bank, amount_minor=100)
    dispatch_outbox(services, clearing)
    clearing.close()
    told = routed_bank.status(instruction_id="P-1").body
    assert told["state"] == "returned"
    page = browser.get(f"/enterprise/payments/{told['bank_reference']}")
    assert page.status_code == 200
    assert "receipt.pdf" not in page.text


def test_the_enterprise_downloads_it(people: People, bank: Bank, services: Services, paid: str) -> None:
    with services.reading() as session:
        tenant = session.get_one(Tenant, bank.enterprise)
    people.add_account("cashier", Role.ENTERPRISE_USER, tenant)
    browser = people.log_in("cashier")
    assert f"/enterprise/payments/{paid}/receipt.pdf" in browser.get(f"/enterprise/payments/{paid}").text
    answer = browser.get(f"/enterprise/payments/{paid}/receipt.pdf")
    assert answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF")

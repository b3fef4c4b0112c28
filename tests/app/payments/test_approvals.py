"""The second approver: another person of the enterprise, with a code of the second factor, in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.certificates.models import CertificateRecord, CertificateState
from app.identity.models import Account, Role, Tenant
from app.identity.problems import InvalidCredentials
from app.payments import approvals, held, risk_lists, second_approver, service
from app.payments.approvals import LONGEST
from app.payments.lifecycle import State
from app.payments.models import DailyUse
from app.payments.problems import HeldNoLonger, OwnAuthorization
from app.payments.risk_lists import add
from app.problems import NotAllowed, NotFound
from app.wiring import Services
from tests.app.identity.people import People
from tests.app.payments.standing import record_authorization
from tests.app.payments.test_service import balance
from tests.app.payments.world import OPENING, PAYER, STRANGER, SUPPLIER, Bank, payment
from tests.conftest import FakeClock


class Office:
    """A bank with one held payment, and three people: who granted the authorization, a colleague, a stranger."""

    def __init__(self, app: Flask, bank: Bank) -> None:
        self.bank, self.services = bank, bank.services
        self.people = People(app, self.services)
        with self.services.reading() as session:
            tenant = session.get_one(Tenant, bank.enterprise)
        self.granter = self.people.add_account("granter", Role.ENTERPRISE_USER, tenant)
        self.colleague = self.people.add_account("colleague", Role.ENTERPRISE_USER, tenant)
        record_authorization(bank, granted_by=self.granter.id)
        with self.services.transaction() as session:
            add(self.services, session, "watch", SUPPLIER, "to be looked at", "test")
        answer = bank.pay(payment(amount_minor=1_000_00))
        assert (answer.body["state"], answer.body["reasons"]) == ("held", ["hold-watched-payee"])
        self.payment_id = str(answer.body["bank_reference"])

    def decide(self, account: Account, *, approve: bool, code: str | None = None) -> State:
        code = code or self.people.code(account.login)
        return second_approver.decide(
            self.services, account, self.payment_id, approve=approve, code=code, note="checked"
        )

    def state(self) -> str:
        return str(self.bank.status(instruction_id="P-1").body["state"])


@pytest.fixture
def office(app: Flask, bank: Bank) -> Office:
    return Office(app, bank)


def test_a_colleague_approves_and_the_money_moves(office: Office, services: Services) -> None:
    assert balance(office.bank, SUPPLIER) == OPENING
    assert office.decide(office.colleague, approve=True) is State.SETTLED
    assert balance(office.bank, SUPPLIER) == OPENING + 1_000_00
    with services.reading() as session:
        [seen] = approvals.list_held(session, office.granter, services.clock())
        kinds = [entry.kind for entry in services.journal.entries(session, limit=20)]
    assert (seen.outcome, seen.may_approve) == ("approved", False)
    assert "payment-approved" in kinds


@pytest.mark.parametrize("role", [Role.PLATFORM_USER, Role.AUDITOR, Role.OPERATOR])
def test_only_the_enterprises_people_decide(office: Office, role: Role) -> None:
    office.colleague.role = role  # which no account of an enterprise can get
    for approve in (True, False):
        with pytest.raises(NotAllowed):
            office.decide(office.colleague, approve=approve)
    assert office.state() == "held"


def test_whoever_granted_the_authorization_may_refuse_and_not_approve(office: Office, services: Services) -> None:
    with pytest.raises(OwnAuthorization):
        office.decide(office.granter, approve=True)
    with services.reading() as session:
        assert not approvals.get_held(session, office.granter, office.payment_id, services.clock()).may_approve
        assert approvals.get_held(session, office.colleague, office.payment_id, services.clock()).may_approve
    assert office.decide(office.granter, approve=False) is State.REJECTED
    assert balance(office.bank, PAYER) == OPENING
    assert office.bank.status(instruction_id="P-1").body["reasons"] == ["hold-refused"]


def test_one_that_cannot_be_ended_keeps_no_other_from_it(
    office: Office, services: Services, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with services.transaction() as session:  # the oldest of all is of no instruction
        approvals.hold(
            services, session, payment_id="0" * 26, tenant_id=office.bank.enterprise, reasons=[],
            authorization_id="x", at=clock() - timedelta(hours=1),
        )  # fmt: skip
    clock.advance(LONGEST)
    assert held.expire_held(services) == 1
    assert office.state() == "rejected"
    assert [record.payment for record in caplog.records if record.name == held.__name__] == ["0" * 26]  # type: ignore[attr-defined]


def test_what_was_taken_back_is_told_as_cancelled(office: Office, services: Services, clock: FakeClock) -> None:
    with services.transaction() as session:
        service.cancel(services, session, office.bank.request({"instruction_id": "P-1", "reason": "重复下单"}))
    for _ in range(2):
        with services.reading() as session:
            assert approvals.get_held(session, office.colleague, office.payment_id, clock()).outcome == "cancelled"
        clock.advance(LONGEST)
        assert held.expire_held(services) == 0


def test_what_nobody_decides_upon_ends_by_itself_and_gives_the_money_free(
    office: Office, services: Services, clock: FakeClock
) -> None:
    clock.advance(LONGEST - timedelta(seconds=1))
    assert held.expire_held(services) == 0
    clock.advance(timedelta(seconds=1))
    assert (held.expire_held(services), held.expire_held(services)) == (1, 0)
    told = office.bank.status(instruction_id="P-1")
    assert (told.body["state"], told.body["reasons"]) == ("rejected", ["hold-expired"])
    assert told.sealed is not None
    assert told.sealed["available_balance_minor"] == OPENING


def test_a_certificate_revoked_meanwhile_orders_nothing_any_more(office: Office, services: Services) -> None:
    with services.transaction() as session:
        used = session.get_one(CertificateRecord, office.bank.authorization.product_x5t_s256)
        used.state = CertificateState.REVOKED
    assert office.decide(office.colleague, approve=True) is State.REJECTED
    assert office.bank.status(instruction_id="P-1").body["reasons"] == ["authorization-ended"]
    assert balance(office.bank, PAYER) == OPENING


def test_whom_the_bank_has_blocked_meanwhile_nobody_is_paid(
    office: Office, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.transaction() as session:
        add(services, session, "block", SUPPLIER, "a fraud, as we know now", "test")
    monkeypatch.setattr(risk_lists, "_MAX_AGE", 0.0)  # seconds for which a list that was read is good
    assert office.decide(office.colleague, approve=True) is State.REJECTED
    assert office.bank.status(instruction_id="P-1").body["reasons"] == ["risk-blocked-payee"]
    assert (balance(office.bank, PAYER), balance(office.bank, SUPPLIER)) == (OPENING, OPENING)


def test_what_is_not_paid_after_all_uses_nothing_of_the_days_limit(office: Office, services: Services) -> None:
    def used() -> int:
        with services.reading() as session:
            return session.scalars(select(DailyUse.used_minor)).one()

    assert used() == 1_000_00  # while it waits
    assert office.decide(office.colleague, approve=False) is State.REJECTED
    assert used() == 0
    office.bank.pay(
        payment(instruction_id="P-2", amount_minor=7, payee={"account": STRANGER, "name": "别家企业有限公司"})
    )
    assert used() == 7


def test_it_is_decided_once(office: Office, clock: FakeClock) -> None:
    office.decide(office.colleague, approve=True)
    clock.advance(timedelta(seconds=30))
    for approve in (True, False):
        clock.advance(timedelta(seconds=30))
        with pytest.raises(HeldNoLonger):
            office.decide(office.colleague, approve=approve)
    assert balance(office.bank, SUPPLIER) == OPENING + 1_000_00


def test_a_code_works_once_and_a_wrong_one_not_at_all(office: Office) -> None:
    with pytest.raises(InvalidCredentials):
        office.decide(office.colleague, approve=True, code="000000")
    good = office.people.code("colleague")
    office.decide(office.colleague, approve=True, code=good)
    with pytest.raises(InvalidCredentials):
        office.decide(office.colleague, approve=True, code=good)


def test_guessing_codes_locks_the_account(office: Office) -> None:
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            office.decide(office.colleague, approve=True, code="000000")
    with pytest.raises(InvalidCredentials):
        office.decide(office.colleague, approve=True)
    assert office.state() == "held"


def test_what_nobody_decided_in_time_is_over(office: Office, services: Services, clock: FakeClock) -> None:
    clock.advance(LONGEST)
    with pytest.raises(HeldNoLonger):
        office.decide(office.colleague, approve=True)
    with services.reading() as session:
        assert approvals.get_held(session, office.colleague, office.payment_id, clock()).outcome == "expired"


def test_another_enterprise_sees_and_decides_nothing(office: Office, services: Services) -> None:
    tenant = office.people.add_tenant("enterprise", 9)  # type: ignore[arg-type]
    stranger = office.people.add_account("stranger", Role.ENTERPRISE_USER, tenant)
    with pytest.raises(NotFound):
        office.decide(stranger, approve=True)
    with services.reading() as session:
        assert approvals.list_held(session, stranger, services.clock()) == []


def test_the_pages_show_and_decide(office: Office) -> None:
    browser = office.people.log_in("colleague")
    page = f"/enterprise/approvals/{office.payment_id}"
    listed = browser.get("/enterprise/approvals")
    assert page in listed.text
    assert "关注名单" in listed.text
    wrong = browser.post(page, page=page, decision="approve", code="000000", note="")
    assert wrong.status_code == 422
    done = browser.post(page, page=page, decision="approve", code=office.people.code("colleague"), note="ok")
    assert done.status_code == 303
    assert office.state() == "settled"
    assert browser.get(f"/enterprise/payments/{office.payment_id}").status_code == 200
    granter = office.people.log_in("granter")
    assert 'value="approve"' not in granter.get(page).text

"""A payment from a verified request to its answer, once and only once."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.gateway.answers import GatewayAnswer
from app.gateway.problems import InvalidDocument, LimitExceeded
from app.payments import outcomes, risk_lists, service
from app.payments.ledger import balance_of, inspect_ledger, read_accounts
from app.payments.lifecycle import State
from app.payments.models import LedgerTransfer, PaymentInstruction, TransferKind
from app.payments.risk import STANDARD
from app.payments.service import open_account
from app.problems import Conflict, NotFound
from app.routing.problems import DirectoryMissing
from app.routing.sandbox import generate_sandbox
from app.writing import writing
from pki.profiles import Custody
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, STRANGER, SUPPLIER, Bank, account_number, payment


def balance(bank: Bank, number: str) -> int:
    with bank.services.reading() as session:
        assert inspect_ledger(session).is_sound
        return balance_of(session, number)


def bookings(bank: Bank) -> int:
    with bank.services.reading() as session:
        made = select(func.count()).where(LedgerTransfer.kind != TransferKind.OPENING)
        return session.scalar(made) or 0


def states(bank: Bank, answer: Any) -> list[State]:
    with bank.services.reading() as session:
        view = service.get_instruction(session, bank.enterprise, answer.body["bank_reference"])
    return [step.state for step in view.steps]


def elsewhere(**changes: Any) -> dict[str, Any]:
    payee = {"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}
    return payment(payee=payee | changes.pop("payee", {}), **changes)


def test_within_the_bank_it_is_settled_at_once(bank: Bank) -> None:
    answer = bank.pay(payment())
    assert answer.status == 200
    assert answer.body["state"] == "settled"
    assert answer.body["channel"] == "book"
    assert answer.body["same_bank"] is True
    assert answer.sealed["available_balance_minor"] == OPENING - 123_45
    assert (balance(bank, PAYER), balance(bank, SUPPLIER)) == (OPENING - 123_45, OPENING + 123_45)
    assert states(bank, answer) == [State.RECEIVED, State.ACCEPTED, State.ROUTED, State.BOOKED, State.SETTLED]


def test_the_platform_reads_no_names_accounts_or_amounts(bank: Bank) -> None:
    body = repr(bank.pay(payment()).body)
    for secret in (PAYER, SUPPLIER, "苏州供应商", "12345", "货款"):
        assert secret not in body


@pytest.mark.parametrize(("amount", "channel"), [(100, "ibps"), (50_000_01, "beps"), (1_000_000_01, "hvps")])
def test_to_another_bank_it_is_booked_and_waits_to_be_sent(routed_bank: Bank, amount: int, channel: str) -> None:
    answer = routed_bank.pay(elsewhere(amount_minor=amount))
    assert answer.body["state"] == "booked"
    assert answer.body["channel"] == channel
    assert answer.body["same_bank"] is False
    assert answer.sealed["payee"]["bank"] == "中国建设银行"
    assert (answer.sealed["details"]["leaves_at"] is None) == (channel != "hvps")  # the clock stands on a Sunday
    assert balance(routed_bank, PAYER) == OPENING - amount


def test_the_same_document_gets_the_same_answer_for_ever(bank: Bank, clock: Any) -> None:
    first = bank.pay(payment(requested_at=clock().isoformat()))
    clock.advance(timedelta(days=400))
    again = bank.pay(payment(requested_at=(clock() - timedelta(days=400)).isoformat()))
    assert again == first
    assert bookings(bank) == 1


def test_a_rejected_payment_is_remembered_too(bank: Bank) -> None:
    poor = payment(amount_minor=OPENING, payee={"name": "别家企业有限公司", "account": STRANGER})
    bank.pay(payment(instruction_id="first"))
    first = bank.pay(poor)
    assert (first.body["state"], first.body["reasons"]) == ("rejected", ["insufficient-funds"])
    assert bank.pay(poor) == first
    assert bookings(bank) == 1


def test_another_document_under_the_name_is_a_conflict(bank: Bank) -> None:
    bank.pay(payment())
    with pytest.raises(Conflict):
        bank.pay(payment(amount_minor=1))
    assert bookings(bank) == 1


def test_sixteen_at_once_book_once(bank: Bank) -> None:
    answers: list[Any] = []
    start = threading.Barrier(16)

    def send() -> None:
        start.wait()
        answers.append(bank.pay(payment()))

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    assert all(answer == answers[0] for answer in answers)
    assert bookings(bank) == 1
    assert balance(bank, PAYER) == OPENING - 123_45


def test_groups_and_outcomes_wait_for_each_other_in_one_order(routed_bank: Bank) -> None:
    """A payment is taken back while the same account and the same limit are used by one group, and wanted by a next."""
    bank, services = routed_bank, routed_bank.services
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one lock")
    earlier = bank.pay(elsewhere(instruction_id="earlier")).body["bank_reference"]
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def take_back() -> None:
        with services.transaction() as session:
            assert outcomes.cancel(services, session, earlier, "cancelled")

    def pay() -> GatewayAnswer:
        with writing(services) as session:
            return service.pay(services, session, bank.request(payment(instruction_id="second")))

    with ThreadPoolExecutor(2) as pool:
        with writing(services) as session:
            service.pay(services, session, bank.request(payment(instruction_id="first")))
            others: list[Future[Any]] = []
            for count, work in enumerate((take_back, pay), 1):
                others.append(pool.submit(work))
                with services.reading() as other:
                    while other.scalar(waiting) < count and not others[-1].done():
                        other.rollback()
        for done in others:
            done.result(timeout=30)
    assert balance(bank, PAYER) == OPENING - 2 * 123_45


@pytest.mark.parametrize(
    ("changes", "pointer", "reason"),
    [
        ({"payer_account": STRANGER}, "/payer_account", "account-unknown"),
        ({"payer_account": "622200000000000000000"[:19]}, "/payer_account", "account-check-digit"),
        ({"payee": {"account": PAYER}}, "/payee/account", "same-as-payer"),
        ({"requested_at": "2026-11-22T05:00:00Z"}, "/requested_at", "in-the-future"),
        ({"requested_at": "2026-11-20T04:00:00Z"}, "/requested_at", "too-old"),
    ],
)
def test_a_faulty_document_leaves_nothing_behind(
    bank: Bank, changes: dict[str, Any], pointer: str, reason: str
) -> None:
    with pytest.raises(InvalidDocument) as raised:
        bank.pay(payment(**changes))
    assert [(fault.pointer, fault.reason) for fault in raised.value.faults] == [(pointer, reason)]
    assert bank.pay(payment()).body["state"] == "settled"  # the name is still free


def test_the_limit_for_one_payment(bank: Bank) -> None:
    limits = {"single_minor": 100, "daily_minor": 1000}
    bank = replace(bank, authorization=replace(bank.authorization, limits=limits))
    assert bank.pay(payment(amount_minor=100)).body["state"] == "settled"
    with pytest.raises(LimitExceeded):
        bank.pay(payment(instruction_id="P-2", amount_minor=101))
    assert bookings(bank) == 1


def test_the_limit_of_a_day_counts_and_begins_anew_at_midnight_in_beijing(bank: Bank, clock: Any) -> None:
    limits = {"single_minor": 100, "daily_minor": 150}
    bank = replace(bank, authorization=replace(bank.authorization, limits=limits))
    bank.pay(payment(instruction_id="P-1", amount_minor=100))
    with pytest.raises(LimitExceeded):
        bank.pay(payment(instruction_id="P-2", amount_minor=51))
    bank.pay(payment(instruction_id="P-3", amount_minor=50))
    clock.advance(timedelta(hours=12))  # from noon to midnight
    assert bank.pay(payment(instruction_id="P-2", amount_minor=51)).body["state"] == "settled"


def test_a_rejected_payment_uses_nothing_of_the_limit(bank: Bank) -> None:
    limits = {"single_minor": 3 * OPENING, "daily_minor": 3 * OPENING}
    bank = replace(bank, authorization=replace(bank.authorization, limits=limits))
    for number in range(3):
        answer = bank.pay(payment(instruction_id=f"P-{number}", amount_minor=OPENING + 1))
        assert answer.body["reasons"] == ["insufficient-funds"]
    assert bank.pay(payment(instruction_id="P-9", amount_minor=OPENING)).body["state"] == "settled"


@pytest.mark.parametrize(
    ("payee", "reason"),
    [
        ({"account": "999999999999"}, "payee-bank-unclear"),
        ({"bank_text": "某某银行"}, "payee-bank-unclear"),
        ({"bank_text": "中国工商银行杭州分行营业部", "account": "999999999999"}, "payee-account-unknown"),
        ({"bank_text": "工商银行", "name": "苏州别的有限公司"}, "payee-name-differs"),
    ],
)
def test_a_payee_that_cannot_be_reached_is_rejected(routed_bank: Bank, payee: dict[str, Any], reason: str) -> None:
    answer = routed_bank.pay(payment(payee=payee))
    assert (answer.body["state"], answer.body["reasons"]) == ("rejected", [reason])
    assert balance(routed_bank, PAYER) == OPENING


def test_an_unclear_branch_is_rejected_with_candidates_where_the_channel_needs_it(routed_bank: Bank) -> None:
    vague = elsewhere(payee={"bank_text": "建行杭州"}, amount_minor=60_000_00)
    answer = routed_bank.pay(vague)
    assert answer.body["reasons"] == ["payee-branch-unclear"]
    assert answer.sealed["details"]["candidates"][0]["name"] == CCB_HANGZHOU
    small = elsewhere(instruction_id="P-2", payee={"bank_text": "建行杭州"}, amount_minor=100)
    assert routed_bank.pay(small).body["channel"] == "ibps"


def test_a_clearing_code_contradicting_the_bank_is_rejected(routed_bank: Bank) -> None:
    code = next(branch.code for branch in generate_sandbox() if branch.name == CCB_HANGZHOU)
    answer = routed_bank.pay(elsewhere(payee={"bank_text": "招商银行", "clearing_code": code}))
    assert answer.body["reasons"] == ["payee-bank-contradicts-code"]
    agreed = elsewhere(instruction_id="P-2", payee={"bank_text": "建设银行", "clearing_code": code})
    assert routed_bank.pay(agreed).sealed["payee"]["clearing_code"] == code


def test_without_a_directory_nothing_is_kept(bank: Bank) -> None:
    with pytest.raises(DirectoryMissing):
        bank.pay(elsewhere())
    assert balance(bank, PAYER) == OPENING
    with bank.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(PaymentInstruction)) == 0


def test_money_that_comes_in_a_group_can_be_put_aside_in_the_same_group(bank: Bank) -> None:
    """Also where the group's bookings are sent with its commit."""
    services = bank.services
    own = account_number("622200000000000009")
    with services.transaction() as session:
        open_account(services, session, tenant_id=bank.enterprise, number=own, name="自己", balance_minor=1)
        risk_lists.add(services, session, "watch", SUPPLIER, "to be looked at", "test")
    comes = payment(payee={"name": "自己", "account": own}, amount_minor=999)
    goes = payment(instruction_id="P-2", payer_account=own, amount_minor=1000)
    with writing(services) as session:
        orders = [service.order_of(bank.request(each)) for each in (comes, goes)]
        first, second = service.pay_together(services, session, orders)
    assert isinstance(first, GatewayAnswer)
    assert isinstance(second, GatewayAnswer)
    assert (first.body["state"], second.body["state"]) == ("settled", "held")
    with services.reading() as session:
        [account] = read_accounts(session, [own]).values()
    assert (account.balance_minor, account.held_minor) == (1000, 1000)


def test_platform_custody_pays_small_sums_only(bank: Bank) -> None:
    bank = replace(bank, authorization=replace(bank.authorization, custody=Custody.PLATFORM))
    answer = bank.pay(payment(amount_minor=5_000_01))
    assert (answer.body["state"], answer.body["reasons"]) == ("rejected", ["risk-custody-ceiling"])
    assert answer.sealed["details"]["risk"]["policy"] == "standard"


def test_at_night_a_large_amount_goes_to_known_payees_alone(bank: Bank, clock: Any) -> None:
    clock.advance(timedelta(hours=14))  # two o'clock in Beijing
    first = bank.pay(payment(amount_minor=500_000_01))
    assert (first.body["state"], first.body["reasons"]) == ("rejected", ["risk-night-new-payee"])
    bank.pay(payment(instruction_id="P-2", amount_minor=1))
    assert bank.pay(payment(instruction_id="P-3", amount_minor=500_000_01)).body["state"] == "settled"


@pytest.mark.parametrize(("before", "state"), [(9, "settled"), (10, "held")])
def test_what_is_far_above_all_that_an_account_paid_waits_for_a_person(bank: Bank, before: int, state: str) -> None:
    for number in range(before):
        bank.pay(payment(instruction_id=f"P-{number}", amount_minor=1))
    answer = bank.pay(payment(instruction_id="large", amount_minor=500_000_01))
    assert (answer.body["state"], answer.body["reasons"]) == (state, ["hold-unlike-history"] * (state == "held"))


def test_too_many_in_a_minute_are_refused_until_it_is_over(bank: Bank, clock: Any) -> None:
    most = STANDARD.payer_attempts_per_minute
    orders = [service.order_of(bank.request(payment(instruction_id=f"P-{n}", amount_minor=1))) for n in range(most - 1)]
    with writing(bank.services) as session:
        service.pay_together(bank.services, session, orders)
    last, beyond = (bank.pay(payment(instruction_id=name, amount_minor=1)) for name in ("last", "beyond"))
    assert last.body["state"] == "settled"
    assert (beyond.body["state"], beyond.body["reasons"]) == ("rejected", ["risk-velocity"])
    assert balance(bank, PAYER) == OPENING - most
    clock.advance(timedelta(minutes=2))
    assert bank.pay(payment(instruction_id="later", amount_minor=1)).body["state"] == "settled"


def test_above_the_banks_own_limit_for_ibps_another_channel_is_taken(routed_bank: Bank) -> None:
    services = routed_bank.services
    object.__setattr__(services, "settings", replace(services.settings, ibps_limit_minor=10_00))
    channels = [
        routed_bank.pay(elsewhere(instruction_id=f"P-{amount}", amount_minor=amount)).body["channel"]
        for amount in (10_00, 10_01)
    ]
    assert channels == ["ibps", "beps"]


def test_the_state_is_asked_for_by_either_name_and_by_the_enterprise_alone(bank: Bank) -> None:
    answer = bank.pay(payment())
    by_name = bank.status(instruction_id="P-1")
    by_reference = bank.status(bank_reference=answer.body["bank_reference"])
    assert by_name == by_reference
    assert by_name.body["state"] == "settled"
    assert [step["state"] for step in by_name.body["steps"]][-1] == "settled"
    stranger = replace(bank, authorization=replace(bank.authorization, enterprise_tenant_id="somebody-else"))
    with pytest.raises(NotFound):
        stranger.status(instruction_id="P-1")


def test_pages_list_newest_first_and_only_the_own(bank: Bank) -> None:
    for number in range(3):
        bank.pay(payment(instruction_id=f"P-{number}"))
    with bank.services.reading() as session:
        listed = service.list_instructions(session, bank.enterprise, limit=2)
        rest = service.list_instructions(session, bank.enterprise, before=listed[-1].bank_reference)
        assert service.list_instructions(session, "somebody-else") == []
        assert len(service.list_instructions(session, None, state=State.SETTLED)) == 3
        core = bank.services.core_banking(session, bank.services.clock())
        assert [account.number for account in core.list_of(bank.enterprise)] == [PAYER]
        with pytest.raises(NotFound):
            service.get_instruction(session, "somebody-else", listed[0].bank_reference)
    assert {view.instruction_id for view in (*listed, *rest)} == {"P-0", "P-1", "P-2"}
    assert len(rest) == 1


@pytest.mark.parametrize(("watched", "state", "outcome"), [(False, "accepted", "pass"), (True, "held", "hold")])
def test_what_risk_control_decided_is_kept_with_the_instruction(
    bank: Bank, watched: bool, state: str, outcome: str
) -> None:
    if watched:
        with bank.services.transaction() as session:
            risk_lists.add(bank.services, session, "watch", SUPPLIER, "to be looked at", "test")
    reference = bank.pay(payment()).body["bank_reference"]
    with bank.services.reading() as session:
        steps = service.get_instruction(session, bank.enterprise, reference).steps
    [decided] = [step.facts["risk"] for step in steps if step.state == state]
    assert (decided["policy"], decided["outcome"]) == ("standard", outcome)
    assert [finding["rule"] for finding in decided.get("findings", [])] == ["watched-payee"] * watched


def test_payments_are_counted_for_risk_control_and_only_what_was_booked_makes_a_payee_known(bank: Bank) -> None:
    bank.pay(payment(amount_minor=7))
    bank.pay(payment(instruction_id="P-2", amount_minor=5))
    bank.pay(payment(instruction_id="P-3", payee={"name": "别的名字"}))  # 户名不符: attempted and not booked
    with bank.services.reading() as session:
        counters = session.execute(text("SELECT subject, in_minute, payments, total_minor FROM risk_counters")).all()
        payees = session.execute(text("SELECT account, payments, total_minor, largest_minor FROM risk_payees")).all()
    assert {tuple(row) for row in counters} == {
        (f"payer:{PAYER}", 3, 2, 12),
        (f"app:{bank.authorization.application_id}", 3, 0, 0),
    }
    assert [tuple(row) for row in payees] == [(SUPPLIER, 2, 12, 7)]

"""Bad input, kind by kind: each has its own reason at its own place, and nothing of it is kept or booked."""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.gateway.problems import InvalidDocument
from app.payments.channel_models import OutboxItem, RiskPayee
from app.payments.ledger import balance_of, inspect_ledger
from app.payments.messages import MAX_AMOUNT
from app.payments.models import (
    DailyUse,
    LedgerHold,
    LedgerTransfer,
    PaymentBatch,
    PaymentInstruction,
    PaymentName,
    TransferKind,
)
from app.payments.party_text import find_text_fault
from app.payments.problems import CalendarMissing
from tests.app.payments.test_batches import batch, item
from tests.app.payments.test_batches import pay as pay_batch
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, STRANGER, SUPPLIER, Bank, account_number, payment
from tests.conftest import START, FakeClock

KEPT = (PaymentInstruction, PaymentName, PaymentBatch, LedgerHold, DailyUse, OutboxItem, RiskPayee)
WRONG_DIGIT = PAYER[:-1] + str((int(PAYER[-1]) + 1) % 10)
HOUR = timedelta(hours=1)

AMOUNTS = [
    ({"amount_minor": -1}, "/amount_minor", "not-positive"),
    ({"amount_minor": -(10**40)}, "/amount_minor", "not-positive"),
    ({"amount_minor": 0}, "/amount_minor", "not-positive"),
    ({"amount_minor": MAX_AMOUNT + 1}, "/amount_minor", "too-large"),
    ({"amount_minor": 2**63}, "/amount_minor", "too-large"),
    ({"amount_minor": 10**40}, "/amount_minor", "too-large"),
    ({"amount_minor": 0.01}, "/amount_minor", "not-an-integer"),
    ({"amount_minor": 100.0}, "/amount_minor", "not-an-integer"),
    ({"amount_minor": 1e300}, "/amount_minor", "not-an-integer"),
    ({"amount_minor": "100"}, "/amount_minor", "not-an-integer"),
    ({"amount_minor": "１００"}, "/amount_minor", "not-an-integer"),
    ({"amount_minor": "1.00"}, "/amount_minor", "not-an-integer"),
    ({"amount_minor": True}, "/amount_minor", "not-an-integer"),
]
ACCOUNTS = [
    ({"payer_account": WRONG_DIGIT}, "/payer_account", "account-check-digit"),
    ({"payer_account": PAYER[:11]}, "/payer_account", "wrong-form"),
    ({"payer_account": STRANGER}, "/payer_account", "account-unknown"),  # there is one, and it is another's
    ({"payer_account": account_number("622200000000009999")}, "/payer_account", "account-unknown"),
    ({"payee": {"account": PAYER}}, "/payee/account", "same-as-payer"),
    ({"payee": {"account": "６２２２００００００"}}, "/payee/account", "wrong-form"),
    ({"payee": {"clearing_code": "102100000000"}}, "/payee/clearing_code", "clearing-code-check-digit"),
    ({"payee": {"clearing_code": "1021000"}}, "/payee/clearing_code", "clearing-code-form"),
]
CURRENCIES = [
    ({"currency": currency}, "/currency", "not-supported") for currency in ("USD", "cny", "CNH", "RMB", "", None, 156)
]
DATES = [
    ({"requested_at": (START + HOUR).isoformat()}, "/requested_at", "in-the-future"),
    ({"requested_at": "9999-12-31T23:59:59-14:00"}, "/requested_at", "in-the-future"),
    ({"requested_at": (START - 25 * HOUR).isoformat()}, "/requested_at", "too-old"),
    ({"requested_at": "0001-01-01T00:00:00+14:00"}, "/requested_at", "too-old"),
    ({"requested_at": "2026-11-22T04:00:00"}, "/requested_at", "not-a-time"),
    ({"requested_at": "2026-02-30T04:00:00Z"}, "/requested_at", "not-a-time"),
    ({"requested_at": "2026-11-22T04:00:60Z"}, "/requested_at", "not-a-time"),
    ({"requested_at": "2026-11-22T04:00:00+24:00"}, "/requested_at", "not-a-time"),
    ({"requested_at": START.timestamp()}, "/requested_at", "not-a-time"),
]
NAMES = {
    "turned around": ("张\u202e三", "invisible-character"),
    "of no width": ("张\u200b三", "invisible-character"),
    "joined": ("张\u200d三", "invisible-character"),
    "soft hyphen": ("张\u00ad三", "invisible-character"),
    "tag": ("张\U000e0041三", "invisible-character"),
    "private use": ("张\ue000三", "invisible-character"),
    "unassigned": ("张\u0378三", "invisible-character"),
    "half of a pair": ("张\ud800三", "invisible-character"),
    "zero": ("张\x00三", "invisible-character"),
    "new line": ("张三\n李四", "invisible-character"),
    "line separator": ("张\u2028三", "invisible-character"),
    "variant": ("张\ufe0f三", "invisible-character"),
    "variant of an ideograph": ("张\U000e0100三", "invisible-character"),
    "grapheme joiner": ("张\u034f三", "invisible-character"),
    "Hangul filler": ("张\u3164三", "invisible-character"),
    "Braille blank": ("张\u2800三", "invisible-character"),
    "outer space": ("\u3000张三", "outer-space"),
    "decomposed": ("Ame\u0301lie", "not-nfc"),
    "compatibility ideograph": ("\uf900三", "not-nfc"),
    "Cyrillic among Latin": ("Аpple Ltd", "mixed-scripts"),
    "Greek among Latin": ("Οpel", "mixed-scripts"),
    "Cyrillic among Han": ("АВС科技有限公司", "mixed-scripts"),
    "Cyrillic among wide Latin": ("ＡррＬＥ", "mixed-scripts"),
    "kana for an ideograph": ("エ商银行", "mixed-scripts"),
    "heaped marks": ("张" + "\u0335" * 5, "stacked-marks"),
    "mark upon nothing": ("\u0335张三", "stacked-marks"),
    "circled": ("张\u20dd三", "stacked-marks"),
}
PURPOSES = [
    ({"purpose": "货\u202e款"}, "/purpose", "invisible-character"),
    ({"payee": {"bank_text": "建行\u2060杭州"}}, "/payee/bank_text", "invisible-character"),
]
FAULTY = [
    *AMOUNTS,
    *ACCOUNTS,
    *CURRENCIES,
    *DATES,
    *PURPOSES,
    *[({"payee": {"name": name}}, "/payee/name", reason) for name, reason in NAMES.values()],
]


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()  # what no client of ours could write, too


def faults_of(bank: Bank, changes: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as raised:
        bank.pay(encoded(payment(**changes)))
    return [(fault.pointer, fault.reason) for fault in raised.value.faults]


def assert_nothing_is_booked(bank: Bank) -> None:
    with bank.services.reading() as session:
        made = select(func.count()).where(LedgerTransfer.kind != TransferKind.OPENING)
        assert session.scalar(made) == 0
        assert [balance_of(session, number) for number in (PAYER, SUPPLIER, STRANGER)] == [OPENING] * 3
        assert inspect_ledger(session).is_sound


def assert_nothing_is_kept(bank: Bank) -> None:
    assert_nothing_is_booked(bank)
    with bank.services.reading() as session:
        kept = {table.__tablename__: session.scalar(select(func.count()).select_from(table)) for table in KEPT}
    assert set(kept.values()) == {0}, kept


def test_each_is_refused_at_its_place_and_leaves_nothing_behind(routed_bank: Bank) -> None:
    found = [(changes, faults_of(routed_bank, changes)) for changes, _, _ in FAULTY]
    assert found == [(changes, [(pointer, reason)]) for changes, pointer, reason in FAULTY]
    assert_nothing_is_kept(routed_bank)


def test_each_is_refused_at_its_place_in_a_batch_and_the_others_go_through(bank: Bank) -> None:
    in_items = [each for each in FAULTY if not each[0].keys() & {"payer_account", "currency", "requested_at"}]
    items = [item(number, **changes) for number, (changes, _, _) in enumerate(in_items)]
    items.append(item(len(items)))
    results = pay_batch(bank, encoded(batch(items)))["results"]
    assert [result.get("faults") for result in results[:-1]] == [
        [{"pointer": f"/items/{place}{pointer}", "reason": reason}]
        for place, (_, pointer, reason) in enumerate(in_items)
    ]
    assert results[-1]["state"] == "settled"
    with bank.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(PaymentInstruction)) == 1
        assert balance_of(session, PAYER) == OPENING - 100


def test_a_batch_of_a_bad_currency_or_date_pays_none_of_its_items(bank: Bank) -> None:
    for number, (changes, pointer, reason) in enumerate([*CURRENCIES, *DATES]):
        document = encoded(batch([item(number)], batch_id=f"B-{number}", **changes))
        with pytest.raises(InvalidDocument) as raised:
            pay_batch(bank, document)
        assert [(fault.pointer, fault.reason) for fault in raised.value.faults] == [(pointer, reason)]
    assert_nothing_is_kept(bank)


@pytest.mark.parametrize(
    ("payee", "pointer", "reason"),
    [
        ({"account": "999999999999"}, "/payee/bank_text", "payee-bank-unclear"),
        ({"account": "999999999999", "bank_text": "工商银行"}, "/payee/account", "payee-account-unknown"),
        ({"bank_text": "工商银行", "name": "苏州别的有限公司"}, "/payee/name", "payee-name-differs"),
    ],
)
def test_an_unknown_payee_is_remembered_as_rejected_and_says_where(
    routed_bank: Bank, payee: dict[str, str], pointer: str, reason: str
) -> None:
    answer = routed_bank.pay(payment(payee=payee))
    assert (answer.body["state"], answer.body["reasons"]) == ("rejected", [reason])
    assert answer.sealed["details"]["pointer"] == pointer
    assert_nothing_is_booked(routed_bank)


def test_beyond_the_years_of_the_calendar_nothing_is_booked(routed_bank: Bank, clock: FakeClock) -> None:
    clock.advance(timedelta(days=20 * 365))
    payee = {"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}
    with pytest.raises(CalendarMissing):
        routed_bank.pay(payment(payee=payee, amount_minor=1_000_000_01))  # by HVPS, which keeps workdays
    assert_nothing_is_kept(routed_bank)


@pytest.mark.parametrize(
    "name",
    ["欧阳·娜娜", "Nguyễn Văn Ân", "שָׁלוֹם", "अनुराग", "ﾔﾏﾀﾞ", "β版科技", "株式会社トヨタ", "Газпром", "上海（浦东）㈱"],
)
def test_marks_and_forms_of_real_names_are_no_tricks(name: str) -> None:
    assert find_text_fault(unicodedata.normalize("NFC", name)) is None

"""Bad documents: each fault is named at its exact place, and nothing else is said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.problems import InvalidDocument
from app.gateway.typed_documents import MAX_DOCUMENT, parse_document
from app.payments.messages import MAX_AMOUNT, PaymentDocument, StatusDocument
from tests.app.payments.world import PAYER, payment

ABSENT = object()


def faults(document: Any, model: Any = PaymentDocument) -> list[tuple[str, str]]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(InvalidDocument) as raised:
        parse_document(data, model)
    return [(fault.pointer, fault.reason) for fault in raised.value.faults]


def changed(pointer: str, value: Any) -> dict[str, Any]:
    document = payment()
    *path, last = pointer.strip("/").split("/")
    place = document
    for part in path:
        place = place[part]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("pointer", "value", "reason"),
    [
        ("/amount_minor", 0, "not-positive"),
        ("/amount_minor", -1, "not-positive"),
        ("/amount_minor", MAX_AMOUNT + 1, "too-large"),
        ("/amount_minor", 10**40, "too-large"),
        ("/amount_minor", 1.0, "not-an-integer"),
        ("/amount_minor", 0.5, "not-an-integer"),
        ("/amount_minor", "100", "not-an-integer"),
        ("/amount_minor", True, "not-an-integer"),
        ("/amount_minor", None, "not-an-integer"),
        ("/amount_minor", [100], "not-an-integer"),
        ("/amount_minor", ABSENT, "missing"),
        ("/currency", "USD", "not-supported"),
        ("/currency", "cny", "not-supported"),
        ("/currency", ABSENT, "missing"),
        ("/instruction_id", "", "too-short"),
        ("/instruction_id", "x" * 65, "too-long"),
        ("/instruction_id", "-1", "wrong-form"),
        ("/instruction_id", "a b", "wrong-form"),
        ("/instruction_id", "a\n", "wrong-form"),
        ("/instruction_id", "１", "wrong-form"),
        ("/instruction_id", 1, "not-a-string"),
        ("/instruction_id", ABSENT, "missing"),
        ("/payer_account", PAYER[:-1] + str((int(PAYER[-1]) + 1) % 10), "account-check-digit"),
        ("/payer_account", "12", "wrong-form"),
        ("/payer_account", PAYER + "\n", "wrong-form"),
        ("/payer_account", int(PAYER), "not-a-string"),
        ("/payee", "苏州供应商有限公司", "not-an-object"),
        ("/payee", [], "not-an-object"),
        ("/payee", ABSENT, "missing"),
        ("/payee/name", "", "too-short"),
        ("/payee/name", "名" * 101, "too-long"),
        ("/payee/name", "张\u202e三", "invisible-character"),
        ("/payee/name", "张\u200b三", "invisible-character"),
        ("/payee/name", "张三\x00", "invisible-character"),
        ("/payee/name", "张\u2028三", "invisible-character"),
        ("/payee/name", " 张三", "outer-space"),
        ("/payee/name", "Ame\u0301lie", "not-nfc"),
        ("/payee/name", "Аpple Ltd", "mixed-scripts"),
        ("/payee/name", "张\ue000三", "invisible-character"),
        ("/payee/account", "12345", "wrong-form"),
        ("/payee/account", "６２２２００００００", "wrong-form"),
        ("/payee/account", "1" * 33, "wrong-form"),
        ("/payee/account", ABSENT, "missing"),
        ("/payee/bank_text", "", "too-short"),
        ("/payee/bank_text", "行" * 201, "too-long"),
        ("/payee/clearing_code", "102100000000", "clearing-code-check-digit"),
        ("/payee/clearing_code", "10210000", "clearing-code-form"),
        ("/payee/clearing_code", 102100099996, "not-a-string"),
        ("/payee/iban", "DE00", "unknown-member"),
        ("/purpose", "", "too-short"),
        ("/purpose", "用" * 141, "too-long"),
        ("/purpose", ABSENT, "missing"),
        ("/requested_at", "2026-11-22", "not-a-time"),
        ("/requested_at", "2026-11-22T12:00:00", "not-a-time"),
        ("/requested_at", "2026-13-22T12:00:00Z", "not-a-time"),
        ("/requested_at", 1790000000, "not-a-time"),
        ("/urgent", True, "unknown-member"),
        ("/a~b", 1, "unknown-member"),
    ],
)
def test_a_fault_is_named_at_its_place(pointer: str, value: Any, reason: str) -> None:
    assert faults(changed(pointer, value)) == [(pointer.replace("~", "~0"), reason)]


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 50_000, b"1" * 5_000],
)
def test_what_is_no_json_object_is_one_fault_of_the_whole(data: bytes) -> None:
    assert faults(data) == [("", "not-json")]


def test_an_endless_document_is_not_read() -> None:
    assert faults(b" " * (MAX_DOCUMENT + 1)) == [("", "too-long")]


def test_all_faults_come_at_once() -> None:
    document = payment(amount_minor=-1, currency="EUR", extra=1, payee={"account": "x"})
    assert sorted(pointer for pointer, _ in faults(document)) == [
        "/amount_minor", "/currency", "/extra", "/payee/account",
    ]  # fmt: skip


@pytest.mark.parametrize("document", [{}, {"instruction_id": "P-1", "bank_reference": "0" * 26}])
def test_a_status_names_one_instruction(document: dict[str, str]) -> None:
    assert faults(document, StatusDocument) == [("", "exactly-one-of-instruction_id-and-bank_reference")]


@given(st.integers(1, MAX_AMOUNT))
def test_every_amount_in_range_is_kept_to_the_fen(amount: int) -> None:
    document = parse_document(json.dumps(payment(amount_minor=amount)).encode(), PaymentDocument)
    assert document.amount_minor == amount


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
    lambda value: json.dumps({"payee": value, "amount_minor": value}).encode()
))  # fmt: skip
def test_any_bytes_are_refused_with_a_pointer(data: bytes) -> None:
    with pytest.raises(InvalidDocument) as raised:
        parse_document(data, PaymentDocument)
    assert raised.value.faults


@pytest.mark.parametrize(
    "name", ["上海（浦东）贸易有限公司", "Müller GmbH", "阿卜杜拉·买买提", "A&B 有限公司", "Ωμέγα"]
)
def test_real_names_pass(name: str) -> None:
    document = parse_document(json.dumps(payment(payee={"name": name})).encode(), PaymentDocument)
    assert document.payee.name == name

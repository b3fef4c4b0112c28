"""Messages keep what they say on the way through XML, and fit the schema that the Registration Authority published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message, to_xml
from app.payments.iso20022.values import CreditTransfer, CreditTransfers, Message, uetr
from tests.app.payments.iso20022.examples import DAY, MESSAGES, NOW, OTHER, REFERENCE, TRANSFER, TRANSFERS

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("pacs.008.001.08.xsd")))

TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60)
REFERENCES = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)
TRANSFER_VALUES = st.builds(
    CreditTransfer,
    reference=REFERENCES,
    amount_minor=st.integers(1, 10**13),
    payer_name=TEXT,
    payer_account=st.text("0123456789", min_size=12, max_size=19),
    payer_bank=TEXT,
    payee_name=TEXT,
    payee_account=st.text("0123456789", min_size=6, max_size=32),
    payee_bank=TEXT,
    clearing_code=st.none() | st.text("0123456789", min_size=12, max_size=12),
    purpose=TEXT,
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.message_id)
def test_what_is_written_is_read(message: Message) -> None:
    assert parse_message(to_xml(message)) == message


@settings(max_examples=50)
@given(st.lists(TRANSFER_VALUES, min_size=1, max_size=4), st.sampled_from(["ibps", "beps", "hvps"]))
def test_any_transfers_survive_and_fit_the_published_schema(transfers: list[CreditTransfer], channel: str) -> None:
    message = CreditTransfers("M", NOW, channel, DAY, tuple(transfers))
    xml = to_xml(message)
    assert parse_message(xml) == message
    SCHEMA.assertValid(etree.fromstring(xml))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"payee_name": "长" * 141}, "Nm"),
        ({"payee_name": ""}, "Nm"),
        ({"payee_account": "1" * 35}, "Id"),
        ({"purpose": "长" * 141}, "Ustrd"),
        ({"reference": "r" * 36}, "EndToEndId"),
        ({"amount_minor": 10**20}, "CtrlSum"),
    ],
)
def test_what_the_schema_does_not_allow_is_not_sent(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        to_xml(replace(TRANSFERS, transfers=(replace(TRANSFER, **changes),)))
    assert (
        place in refused.value.place or "TtlIntrBkSttlmAmt" in refused.value.place or "CtrlSum" in refused.value.place
    )


def test_amounts_are_written_to_the_fen_and_the_uetr_follows_from_the_reference() -> None:
    xml = to_xml(replace(TRANSFERS, transfers=(replace(TRANSFER, amount_minor=7),))).decode()
    assert '<IntrBkSttlmAmt Ccy="CNY">0.07</IntrBkSttlmAmt>' in xml
    assert uetr(REFERENCE) in xml
    assert uetr(REFERENCE) != uetr(OTHER)
    assert uetr(REFERENCE)[14] == "4"


def refused(xml: bytes) -> str:
    with pytest.raises(MessageRefused) as raised:
        parse_message(xml)
    return raised.value.reason


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="USD">123.45</IntrBk', "wrong-currency"),
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="CNY">123.455</IntrBk', "wrong-amount"),
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="CNY">-123.45</IntrBk', "wrong-number"),
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="CNY">1e400</IntrBk', "wrong-number"),
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="CNY">NaN</IntrBk', "wrong-number"),
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="CNY">0</IntrBk', "wrong-amount"),
        (b'Ccy="CNY">123.45</IntrBk', b'Ccy="CNY">123.46</IntrBk', "wrong-sum"),
        (b"<NbOfTxs>1<", b"<NbOfTxs>2<", "wrong-number-of-transactions"),
        (b"<SttlmMtd>CLRG<", b"<SttlmMtd>WISH<", "not-in-schema"),
        (b"<NbOfTxs>1</NbOfTxs>", b"<NbOfTxs>1</NbOfTxs><Surprise>1</Surprise>", "not-in-schema"),
        (b"<MsgId>M-1</MsgId>", b"", "not-in-schema"),
        (b"<CreDtTm>2026-11-22T04:00:00Z<", b"<CreDtTm>2026-11-22T04:00:00<", "time-without-offset"),
        (b"<CreDtTm>2026-11-22T04:00:00Z<", b"<CreDtTm>yesterday<", "not-in-schema"),
        (b"pacs.008.001.08", b"pacs.008.001.99", "unknown-kind"),
        (b"<UETR>", b"<UETR>0", "wrong-form"),
        (REFERENCE.encode() + b"</TxId>", OTHER.encode() + b"</TxId>", "identifiers-differ"),
    ],
)
def test_what_does_not_add_up_is_refused_for_its_reason(before: bytes, after: bytes, reason: str) -> None:
    xml = to_xml(TRANSFERS)
    assert before in xml
    assert refused(xml.replace(before, after)) == reason


def test_an_end_of_day_file_that_does_not_add_up_is_refused() -> None:
    xml = to_xml(MESSAGES[5])
    assert refused(xml.replace(b">0.05<", b">0.06<")) == "wrong-sum"
    assert refused(xml.replace(b"<CdtDbtInd>DBIT</CdtDbtInd><Sts>", b"<CdtDbtInd>CRDT</CdtDbtInd><Sts>")) == (
        "wrong-direction"
    )

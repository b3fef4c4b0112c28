"""XML that somebody made to hurt: nothing of it is expanded, fetched or built."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.payments.iso20022 import wire
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message, to_xml
from tests.app.payments.iso20022.examples import MESSAGES, TRANSFERS

GOOD = to_xml(TRANSFERS)
HEAD, BODY = GOOD.split(b"\n", 1)
OPEN = b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">'
BILLION = b"<!DOCTYPE Document [<!ENTITY a 'ha'>" + b"".join(
    f"<!ENTITY {name} '{before * 10}'>".encode() for name, before in (("b", "&a;"), ("c", "&b;"), ("d", "&c;"))
)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"", "not-xml"),
        (b"\x00" * 100, "not-xml"),
        (b"{}", "not-xml"),
        (GOOD[:-20], "not-xml"),
        (GOOD + GOOD, "not-xml"),
        (HEAD + BILLION + b"]>" + BODY, "has-dtd"),
        (HEAD + b'<!DOCTYPE Document SYSTEM "http://localhost/evil.dtd">' + BODY, "has-dtd"),
        (HEAD + b"<! DOCTYPE Document>" + BODY, "has-dtd"),
        (HEAD + b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + BODY.replace(b"M-1", b"&x;"), "has-dtd"),
        (BODY.replace(b"M-1", b"&x;"), "not-xml"),
        (GOOD.decode().encode("utf-16"), "not-xml"),
        ((HEAD + BILLION + b"]>" + BODY).decode().replace("UTF-8", "UTF-16").encode("utf-16"), "not-xml"),
        ((HEAD + BILLION + b"]>" + BODY).decode().replace("UTF-8", "UTF-7").encode("utf-7"), "has-dtd"),
        (b"<a/>", "not-iso-20022"),
        (b'<Document xmlns="urn:other"/>', "not-iso-20022"),
        (OPEN + b"</Document>", "not-in-schema"),
        (OPEN + b"<x>" * 100 + b"</x>" * 100 + b"</Document>", "too-deep"),
        (OPEN + b"<x/>" * (wire.MOST_ELEMENTS + 1) + b"</Document>", "too-large"),
        (GOOD + b" " * wire.MOST_OCTETS, "too-large"),
        (GOOD.replace(b"M-1", b"M" * 36), "wrong-length"),
        (GOOD.replace(b"<Document ", b'<Document xmlns:e="urn:e" e:x="1" '), "not-in-schema"),
        (GOOD.replace(b"<MsgId>M-1</MsgId>", b"<MsgId><M>1</M></MsgId>"), "not-in-schema"),
    ],
)
def test_it_is_refused(xml: bytes, reason: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        parse_message(xml)
    assert refused.value.reason == reason


def test_nothing_outside_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("M-SECRET")
    xinclude = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
    with pytest.raises(MessageRefused) as refused:
        parse_message(GOOD.replace(b"M-1", xinclude.encode()))
    assert "M-SECRET" not in str(refused.value)


@settings(max_examples=200)
@given(st.sampled_from(MESSAGES), st.data())
def test_a_damaged_message_is_refused_or_says_something_of_its_kind(message: object, data: st.DataObject) -> None:
    xml = bytearray(to_xml(message))  # type: ignore[arg-type]
    for _ in range(data.draw(st.integers(1, 3))):
        xml[data.draw(st.integers(0, len(xml) - 1))] = data.draw(st.integers(0, 255))
    try:
        said = parse_message(bytes(xml))
    except MessageRefused:
        return
    assert type(said) is type(message)

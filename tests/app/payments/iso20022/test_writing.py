"""What is written is what xsdata would have written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lxml import etree
from xsdata.formats.dataclass.serializers import XmlSerializer

from app.payments.iso20022 import messages, wire
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message, to_xml
from app.payments.iso20022.values import Message
from tests.app.payments.iso20022.examples import MESSAGES, TRANSFER, TRANSFERS


@pytest.mark.parametrize("message", MESSAGES)
def test_it_says_the_same_as_xsdata(message: Message) -> None:
    kind = messages._BY_VALUE[type(message)]
    document: Any = kind.build(message)
    expected = XmlSerializer().render(document, ns_map={None: wire.NAMESPACE + kind.name}).encode()
    assert canonical(to_xml(message)) == canonical(expected)


@pytest.mark.parametrize("text", ["a\rb", 'a"b', "a]]>b", " a\tb\nc ", "𠮷<&>", "&amp;"])
def test_every_character_comes_back(text: str) -> None:
    message = replace(TRANSFERS, transfers=(replace(TRANSFER, payee_name=text),))
    assert parse_message(to_xml(message)) == message


@pytest.mark.parametrize("text", ["a\x01b", "a\x00", "\ufffe", "\ud800"])
def test_what_xml_cannot_say_is_refused(text: str) -> None:
    with pytest.raises(MessageRefused):
        to_xml(replace(TRANSFERS, transfers=(replace(TRANSFER, payee_name=text),)))


def canonical(xml: bytes) -> bytes:
    return etree.tostring(etree.fromstring(xml), method="c14n2", strip_text=True)

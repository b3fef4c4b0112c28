"""The two functions that everybody else calls: a value as XML, and XML as the value it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.payments.iso20022 import returns, statements, statuses, transfers, wire
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.values import (
    ChannelStatement,
    CreditTransfers,
    Message,
    PaymentReturns,
    StatusReport,
    StatusRequest,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    value: type
    document: type
    build: Callable[[Any], Any]
    read: Callable[[Any], Message]


_KINDS = (
    _Kind(transfers.NAME, CreditTransfers, transfers.DOCUMENT, transfers.build, transfers.read),
    _Kind(statuses.REPORT, StatusReport, statuses.REPORT_DOCUMENT, statuses.build_report, statuses.read_report),
    _Kind(statuses.REQUEST, StatusRequest, statuses.REQUEST_DOCUMENT, statuses.build_request, statuses.read_request),
    _Kind(returns.NAME, PaymentReturns, returns.DOCUMENT, returns.build, returns.read),
    _Kind(statements.NAME, ChannelStatement, statements.DOCUMENT, statements.build, statements.read),
)
_BY_VALUE = {kind.value: kind for kind in _KINDS}
_BY_NAME = {kind.name: kind for kind in _KINDS}


def to_xml(message: Message) -> bytes:
    """UTF-8 XML. Raises MessageRefused where a value does not fit the schema, such as a name that is too long."""
    kind = _BY_VALUE[type(message)]
    return wire.to_xml(kind.build(message), kind.name)


def parse_message(xml: bytes) -> Message:
    """What untrusted bytes say. Raises MessageRefused."""
    root = wire.read_tree(xml)
    name = wire.find_kind(root)
    kind = _BY_NAME.get(name)
    if kind is None:
        raise MessageRefused("unknown-kind", name[:40])
    return kind.read(wire.from_tree(root, kind.document))

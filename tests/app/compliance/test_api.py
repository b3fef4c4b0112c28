"""Platforms have contracts verified over the protected door, by the independent client."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask import Flask

from app.compliance.messages import MAX_FILE
from app.wiring import Services
from tests.app.gateway.parties import Parties, make_parties
from tests.app.signing.conftest import Archive

from yunlian import Refused  # isort: skip - the parties put the client on the path

PATH = "/api/v1/contracts/verify"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # nothing is written


@pytest.fixture
def parties(services: Services) -> Parties:
    return make_parties(services)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_platform_gets_the_report(app: Flask, services: Services, parties: Parties) -> None:
    archive = Archive(services)
    contract = archive.contract(archive.add_contract())
    pdf = services.documents.get(contract.current_sha256)
    platform, token = parties.platform.client(app), parties.token("contracts")

    def verify(document: dict[str, Any]) -> dict[str, Any]:
        return dict(platform.call(PATH, document, token=token).body)

    report = verify({"file": encoded(pdf)})
    assert (report["verdict"], report["document_sha256"]) == ("VALID", contract.current_sha256)
    assert [entry["field"] for entry in report["signatures"]][:1] == ["enterprise-legal-representative"]
    assert verify({"file": encoded(pdf[: len(pdf) // 2])})["verdict"] != "VALID"
    before = verify({"file": encoded(pdf), "at": "2020-01-01T00:00:00+08:00"})
    assert before["verdict"] != "VALID"


def test_what_is_no_document_is_refused(app: Flask, parties: Parties) -> None:
    platform, token = parties.platform.client(app), parties.token("contracts")
    large = encoded(bytes(MAX_FILE + 3))
    for document, status in (
        ({}, 422),
        ({"file": "not Base64!"}, 422),
        ({"file": "AAAAA==="}, 422),
        ({"file": encoded(b"no PDF at all")}, 422),
        ({"file": encoded(b"%PDF-1.7"), "at": "2020-01-01T00:00:00"}, 422),
        ({"file": encoded(b"%PDF-1.7"), "at": "yesterday"}, 422),
        ({"file": encoded(b"%PDF-1.7"), "more": 1}, 422),
        ({"file": large}, 422),
        ({"file": large * 2}, 413),
    ):
        with pytest.raises(Refused) as raised:
            platform.call(PATH, document, token=token)
        assert raised.value.status == status, list(document)
    with pytest.raises(Refused) as raised:
        platform.call(PATH, {"file": encoded(b"%PDF-1.7")}, token=parties.token("routing"))
    assert raised.value.status == 403

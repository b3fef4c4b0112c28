"""Strangers verify files and look documents up, within a quota, and learn nothing else."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.compliance.strangers import MOST_A_MINUTE
from app.compliance.subindications import SUB_INDICATIONS
from app.compliance.subjects import readable_subject
from app.journal import JournalEntry
from app.wiring import Services
from contracts.report import SubIndication
from tests.app.signing.conftest import Archive
from tests.conftest import FakeClock

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html"}


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # a question of pages


@pytest.fixture
def archive(services: Services) -> Archive:
    return Archive(services)


def post(client: FlaskClient, content: bytes, headers: dict[str, str] = JSON) -> Any:
    return client.post("/verify", data={"file": (BytesIO(content), "contract.pdf")}, headers=headers)


def test_a_contract_is_verified_as_page_and_as_json_and_nothing_is_kept(
    archive: Archive, services: Services, client: FlaskClient
) -> None:
    contract = archive.contract(archive.add_contract())
    pdf = services.documents.get(contract.current_sha256)
    with services.reading() as session:
        before = session.scalar(select(func.count()).select_from(JournalEntry))
    stored = sorted(services.documents.names())
    report = post(client, pdf).json
    assert (report["verdict"], report["document_sha256"]) == ("VALID", contract.current_sha256)
    page = post(client, pdf, PAGE).text
    assert "签名有效" in page
    assert "柯琳" in page
    changed = bytearray(pdf)
    changed[len(pdf) // 3] ^= 1
    answer = post(client, bytes(changed))
    assert (answer.status_code, answer.json["verdict"]) == (200, "INVALID")
    page = post(client, bytes(changed), PAGE).text
    assert "签名无效" in page
    assert "INVALID" in page
    assert sorted(services.documents.names()) == stored
    with services.reading() as session:
        assert session.scalar(select(func.count()).select_from(JournalEntry)) == before


def test_what_is_no_file_is_refused(client: FlaskClient) -> None:
    for content, code in ((b"", "file-refused"), (b"not a PDF", "upload-not-pdf"), (b"PK\3\4 no bundle", "invalid-ev")):
        answer = post(client, content)
        assert answer.status_code == 422
        assert answer.json["code"].startswith(code)
        assert post(client, content, PAGE).status_code == 422
    assert client.post("/verify", headers=JSON).json["code"] == "file-refused"


def test_number_and_digest_together_tell_what_a_file_is(archive: Archive, client: FlaskClient) -> None:
    contract = archive.contract(archive.add_contract())

    def look_up(number: str, sha256: str, headers: dict[str, str] = JSON) -> Any:
        return client.get("/verify/look-up", query_string={"number": number, "sha256": sha256}, headers=headers)

    told = look_up(contract.number.lower(), contract.current_sha256.upper()).json
    assert (told["kind"], told["is_latest"], told["deleted"]) == ("sealed", True, False)
    assert look_up(contract.number, contract.prepared_sha256).json["kind"] == "prepared"
    assert "各方签署并归档" in look_up(contract.number, contract.current_sha256, PAGE).text
    for number, sha256 in ((contract.number, "0" * 64), ("YL20261122-XXXXXXXX", contract.current_sha256), ("", "")):
        assert look_up(number, sha256).status_code == 404
        assert contract.title not in look_up(number, sha256, PAGE).text


def test_an_address_has_a_quota_and_gets_it_back(client: FlaskClient, clock: FakeClock, app: Flask) -> None:
    answers = [post(client, b"not a PDF").status_code for _ in range(MOST_A_MINUTE + 2)]
    assert answers == [422] * MOST_A_MINUTE + [429] * 2
    assert post(client, b"not a PDF", PAGE).status_code == 429
    other = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    assert app.test_client().post("/verify", headers=JSON, **other).status_code == 422
    same_network = [
        app.test_client().post("/verify", headers=JSON, environ_base={"REMOTE_ADDR": f"2001:db8:1:2::{n}"}).status_code
        for n in range(MOST_A_MINUTE + 1)
    ]
    assert same_network == [422] * MOST_A_MINUTE + [429]
    clock.advance(timedelta(minutes=1))
    assert post(client, b"not a PDF").status_code == 422


def test_every_sub_indication_is_told_in_chinese() -> None:
    assert set(SUB_INDICATIONS) == set(SubIndication)


def test_subjects_are_readable() -> None:
    subject = "2.5.4.97=#0c184e5452434e2d39313333303130364d41325148384b33584b,O=青禾软件有限公司,CN=柯琳"
    assert readable_subject(subject) == "柯琳 · 青禾软件有限公司 · NTRCN-91330106MA2QH8K3XK"
    assert readable_subject("not a name at all,") == "not a name at all,"

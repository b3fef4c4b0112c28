"""Each party takes home the signed contract with proof that the log holds it; enterprises find theirs in the portal."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from io import BytesIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask

from app.identity.models import Role, Tenant, TenantKind
from app.identity.service import create_tenant
from app.wiring import Services
from pki.translog import leaf_hash, verify_checkpoint, verify_inclusion
from tests.app.identity.people import BROWSER, People
from tests.app.signing.conftest import Archive
from tests.app.signing.test_uploads import SCRIPTED, pdf_of


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_enterprise_takes_its_copy_verifies_it_and_uploads(archive: Archive, services: Services, app: Flask) -> None:
    contract = archive.contract(archive.add_contract())
    people = People(app, services)
    people.add_account("enterprise", Role.ENTERPRISE_USER, contract.tenant)
    browser = people.log_in("enterprise")
    page = "/enterprise/contracts"
    assert contract.number in browser.get(page).text

    copy = members(browser.get(f"{page}/{contract.id}/copy.zip").data)
    assert copy["contract.pdf"] == services.documents.get(contract.current_sha256)
    proof = json.loads(copy["log-proof.json"])
    leaf = json.loads(proof["leaf"])
    assert leaf["body"]["document_sha256"] == hashlib.sha256(copy["contract.pdf"]).hexdigest()
    key = x509.load_pem_x509_certificate(copy["log.pem"]).public_key()
    assert isinstance(key, Ed25519PublicKey)
    head = verify_checkpoint(proof["checkpoint"].encode(), key)
    nodes = [bytes.fromhex(node) for node in proof["inclusion_proof"]]
    verify_inclusion(leaf_hash(proof["leaf"].encode()), proof["index"], head.size, nodes, head.root)
    assert archive.journal(contract.id)[-1] == "contract-copied"

    assert "签名有效" in browser.post(f"{page}/{contract.id}/verify", page=page).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).text)
    assert token is not None
    for content, status, told in ((pdf_of("a"), 303, "可签署"), (SCRIPTED, 303, "文件含有脚本"), (b"", 422, "")):
        answer = browser.client.post(
            f"{page}/upload",
            data={"csrf_token": token[1], "title": "租赁合同", "file": (BytesIO(content), "x.pdf")},
            headers={**BROWSER, "Referer": "https://localhost/"},
            base_url="https://localhost",
        )
        assert answer.status_code == status
        assert told in browser.get(page).text


def test_another_enterprise_finds_nothing_of_it(archive: Archive, services: Services, app: Flask) -> None:
    contract = archive.contract(archive.add_contract())
    with services.transaction() as session:
        other: Tenant = create_tenant(
            services, session, kind=TenantKind.ENTERPRISE, name="别家公司", uscc="91310115MA1YF5T7KD", actor="test"
        )
    people = People(app, services)
    people.add_account("other", Role.ENTERPRISE_USER, other)
    browser = people.log_in("other")
    page = "/enterprise/contracts"
    assert contract.number not in browser.get(page).text
    assert browser.get(f"{page}/{contract.id}/copy.zip").status_code == 404
    assert browser.post(f"{page}/{contract.id}/verify", page=page).status_code == 404

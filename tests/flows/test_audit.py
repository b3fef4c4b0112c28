"""The officer's way: find a contract, verify it from the stored bytes, export evidence that stands by itself."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from sqlalchemy import select, update

from app.compliance import service as compliance
from app.compliance.problems import EvidenceNotReady
from app.identity.models import Role, Tenant
from app.proofing.models import FaceCheck
from app.signing.models import Contract
from app.signing.service import deliver_pending
from app.wiring import Services
from clients.demo.puppet import Puppet
from clients.demo.signer import Signer
from contracts.container import unpack
from tests.app.identity.people import BROWSER, Browser, People
from tests.conftest import FakeClock
from tests.flows.ceremony import Ceremony

VERIFIER = Path(__file__).parents[2] / "clients" / "evidence" / "verify.py"
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Archive:
    """A contract that was signed and delivered, the officer, and the root certificate on a stranger's disk."""

    ceremony: Ceremony
    officer: Browser
    page: str
    root: Path

    def verified(self) -> str:
        """The page after "verify now"."""
        return self.officer.post(f"{self.page}/verify", page=self.page).text

    def bundle(self) -> bytes:
        """The evidence as downloaded."""
        answer = self.officer.post(f"{self.page}/evidence", page=self.page)
        assert answer.mimetype == "application/zip", answer.text
        return answer.data

    def verify_offline(self, bundle: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
        """The stand-alone program, in a process that knows nothing of this service."""
        file = folder / "evidence.zip"
        file.write_bytes(bundle)
        root = x509.load_pem_x509_certificate(self.root.read_bytes()).fingerprint(hashes.SHA256()).hex()
        command = [sys.executable, VERIFIER, file, "--root-sha256", root]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env={"PYTHONIOENCODING": "utf-8"}
        )


@pytest.fixture
def archive(app: Flask, ceremony: Ceremony, services: Services, representative: Puppet, tmp_path: Path) -> Archive:
    ceremony.sign(representative)
    deliver_pending(services)
    services.journal.seal()
    people = People(app, services)
    with services.reading() as session:
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).one()
    people.add_account("officer", Role.COMPLIANCE_OFFICER, bank)
    root = tmp_path / "root.pem"
    root.write_bytes(services.hierarchy.root.public_bytes(Encoding.PEM))
    return Archive(ceremony, people.log_in("officer"), f"/compliance/contracts/{ceremony.contract_id}", root)


def put_by_name(services: Services, sha256: str, content: bytes) -> None:
    """What somebody with the disk and the data key could do: other content, well sealed, under the same name."""
    key = hashlib.sha256(b"yunlian documents" + services.settings.data_key).digest()
    nonce = bytes(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, content, sha256.encode())
    (services.settings.var / "documents" / sha256[:2] / sha256).write_bytes(sealed)


def findings(services: Services, contract_id: str) -> list[str]:
    """What verification finds fault with, in English."""
    with services.transaction() as session:
        verification = compliance.verify(services, session, contract_id)
    assert verification.good == all(finding.good for finding in verification.findings)
    return [finding.en for finding in verification.findings if not finding.good]


# --- the whole way --------------------------------------------------------------------------------------------------


def test_search_verify_export_and_check_elsewhere(archive: Archive, services: Services, tmp_path: Path) -> None:
    contract = archive.ceremony.contract
    for text in (contract.number, contract.tenant.name[:4], contract.tenant.uscc, contract.current_sha256):
        assert contract.number in archive.officer.get(f"/compliance?q={text}").text, text
    assert contract.number not in archive.officer.get("/compliance?q=nothing").text
    assert contract.number not in archive.officer.get("/compliance?state=declined").text

    page = archive.verified()
    assert "核验通过" in page
    assert "badge-bad" not in page
    assert findings(services, contract.id) == []
    downloaded = archive.officer.get(f"{archive.page}/contract.pdf")
    assert downloaded.data == archive.ceremony.stored_document()

    done = archive.verify_offline(archive.bundle(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything verified" in done.stdout
    kinds = archive.ceremony.journal()
    assert {"contract-verified", "contract-opened", "evidence-exported"} <= set(kinds)


@on_sqlite
def test_the_bundle_carries_the_pictures_that_the_signer_was_shown(
    app: Flask, ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    with ceremony.browser() as browser:
        Signer(browser, ceremony.path).identify(ceremony.last6)
        pages = range(1, ceremony.contract.pages + 1)
        pictures = [browser.download(f"{ceremony.path}/pages/{page}.png") for page in pages]
    digests = [hashlib.sha256(picture).digest() for picture in pictures]
    ceremony.sign(representative)
    deliver_pending(services)
    services.journal.seal()
    with services.reading() as session:
        bundle = compliance.export_evidence(services, session, ceremony.contract_id)
        entries = services.journal.entries(session, limit=200, text=ceremony.contract_id)
        [presented] = [entry for entry in entries if entry.kind == "contract-presented"]
    one = hashlib.sha256(b"".join(digests)).hexdigest()
    [shown] = json.loads(unpack(bundle)["pages.json"]).values()
    assert shown == {
        "document_sha256": ceremony.contract.prepared_sha256,
        "pictures": [digest.hex() for digest in digests],
        "pictures_sha256": one,
    }
    assert one in str(presented.body)


@on_sqlite
def test_a_stranger_verifies_the_contract_and_the_bundle_by_upload(archive: Archive, app: Flask) -> None:
    document, bundle = archive.ceremony.stored_document(), archive.bundle()
    assert upload(app, document) == (200, True)
    assert upload(app, bundle) == (200, True)
    assert upload(app, flipped(document, len(document) // 2)) == (200, False)
    assert upload(app, flipped(bundle, len(bundle) // 2)) == (422, False)
    assert upload(app, b"no PDF") == (422, False)
    assert upload(app, b"") == (422, False)


# --- what was tampered with is found --------------------------------------------------------------------------------


@on_sqlite
def test_other_bytes_in_the_store_are_found(archive: Archive, services: Services) -> None:
    contract = archive.ceremony.contract
    path = services.settings.var / "documents" / contract.current_sha256[:2] / contract.current_sha256
    sealed, content = path.read_bytes(), archive.ceremony.stored_document()
    path.write_bytes(flipped(sealed, len(sealed) // 2))
    assert archive.officer.post(f"{archive.page}/verify", page="/account").status_code == 503
    put_by_name(services, contract.current_sha256, flipped(content, 1500))
    assert "The stored file has its digest" in findings(services, contract.id)
    assert "核验未通过" in archive.verified()
    path.unlink()
    assert archive.officer.post(f"{archive.page}/verify", page="/account").status_code == 404


@on_sqlite
def test_changed_rows_are_found(archive: Archive, services: Services) -> None:
    contract_id, good = archive.ceremony.contract_id, archive.ceremony.contract
    [party] = good.ceremony["parties"]
    for member, forgery, expected in (
        ("face_root", "0" * 64, "The signature binds the recorded face evidence"),
        ("consent_sha256", "0" * 64, "The signature binds the recorded consent wording"),
        ("presented_sha256", "0" * 64, "The signature binds the recorded document read"),
        ("pictures", ["0" * 64], "The pictures of the pages that were shown are those in the journal"),
    ):
        forged = {**good.ceremony, "parties": [{**party, member: forgery}]}
        tamper(services, update(Contract).values(ceremony=forged))
        assert findings(services, contract_id) == [expected]
    assert "核验未通过" in archive.verified()
    tamper(services, update(Contract).values(ceremony=good.ceremony))
    assert findings(services, contract_id) == []

    # The contract as the representative signed it is a valid file, but not the one that was completed.
    tamper(services, update(Contract).values(current_sha256=party["signed_sha256"]))
    assert findings(services, contract_id) == ["The journal holds the record of this document"]
    tamper(services, update(Contract).values(current_sha256=good.current_sha256))

    tamper(services, update(FaceCheck).values(evidence_root="0" * 64))
    assert findings(services, contract_id) == ["The signature binds the recorded face evidence"]


# --- the bundle -----------------------------------------------------------------------------------------------------


@on_sqlite
def test_a_changed_bundle_or_another_root_is_refused(archive: Archive, tmp_path: Path, clock: FakeClock) -> None:
    bundle = archive.bundle()
    done = archive.verify_offline(flipped(bundle, len(bundle) // 2), tmp_path)
    assert (done.returncode, "everything verified" in done.stdout) == (1, False)
    for part in range(0, 12):
        status, good = upload(archive.ceremony.app, flipped(bundle, (len(bundle) - 1) * part // 11))
        clock.advance(timedelta(seconds=10))  # strangers have a quota
        assert (status, good) in {(422, False), (200, False)}, part
    issuing = archive.ceremony.services.hierarchy.authority("signer").certificate
    archive.root.write_bytes(issuing.public_bytes(Encoding.PEM))
    assert archive.verify_offline(bundle, tmp_path).returncode == 1


@on_sqlite
def test_there_is_no_evidence_before_completion_and_none_of_a_forgotten_face(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    def refused() -> str:
        with pytest.raises(EvidenceNotReady) as raised, services.transaction() as session:
            compliance.export_evidence(services, session, ceremony.contract_id)
        return raised.value.detail

    assert refused() == "the contract is not completed"
    ceremony.sign(representative)
    assert refused() == "the contract is not completed"
    deliver_pending(services)
    assert refused() == "the journal has not sealed the entry yet"
    services.journal.seal()
    tamper(services, update(FaceCheck).values(evidence_sealed=None))
    assert refused() == "the face evidence was forgotten"


def tamper(services: Services, statement: object) -> None:
    """What somebody with the database could do."""
    with services.transaction() as session:
        session.execute(statement)  # type: ignore[call-overload]


def flipped(data: bytes, place: int) -> bytes:
    """The data with one bit changed."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def upload(app: Flask, content: bytes) -> tuple[int, bool]:
    """What the public page says of a file: its status, and whether it shows success."""
    client = app.test_client()
    form = client.get("/verify", headers=BROWSER, base_url="https://localhost")
    token = _TOKEN.search(form.text)
    assert token
    answer = client.post(
        "/verify",
        data={"csrf_token": token[1], "file": (BytesIO(content), "file")},
        headers={**BROWSER, "Referer": "https://localhost/"},
        base_url="https://localhost",
    )
    good = "VALID: the signatures are good" in answer.text or "The evidence bundle verifies" in answer.text
    return answer.status_code, good

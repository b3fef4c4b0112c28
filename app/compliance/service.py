"""The auditor's path: (search ->) verify -> export_evidence. Verification recomputes everything from stored bytes;
no flag of the database is ever an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord
from app.compliance.problems import EvidenceNotReady
from app.compliance.strangers import validate_document
from app.compliance.subindications import SUB_INDICATIONS
from app.identity import persons
from app.identity.models import Tenant
from app.identity.problems import PersonForgotten
from app.journal import JournalEntry
from app.problems import Problem
from app.proofing.models import FaceCheck
from app.signing import service as signing
from app.signing import tasks
from app.signing.models import Contract, Revision, Signature
from app.signing.revocation import current_crls
from app.texts import chinese_for
from contracts import ceremony as rules
from contracts.consent import get_wording
from contracts.evidence import build_bundle
from contracts.report import SignatureReport, Verdict
from kyc.ports import Assurance
from pki.binding import find_portrait_assurance

if TYPE_CHECKING:
    from app.wiring import Services

COMPLETED = "contract-completed"  # the journal entry that names the archived document,
RENEWED = "contract-renewed"  # until its time stamp was extended


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was recomputed: what, whether it holds, and what was seen."""

    zh: str
    en: str
    good: bool
    detail: str = ""
    detail_zh: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings about one contract, and the report on its signatures."""

    findings: tuple[Finding, ...]
    report: SignatureReport

    @property
    def good(self) -> bool:
        """Whether every finding holds."""
        return all(finding.good for finding in self.findings)


def verify(services: Services, session: Session, contract_id: str) -> Verification:
    """Re-verify one contract from its stored bytes. Reads only, because it takes time: `record_examination` comes
    after it. Raises NotFound."""
    contract = signing.get_contract(session, contract_id)
    pdf = services.documents.get(contract.current_sha256)
    report = validate_document(services, pdf, services.clock())
    findings = [
        _document(contract, pdf),
        Finding(
            "全部签名与时间戳有效，覆盖整个文件",
            "All signatures and time stamps are valid and cover the whole file",
            report.verdict is Verdict.VALID and report.covers_entire_file,
            report.explanation,
            SUB_INDICATIONS.get(report.sub_indication, "") if report.sub_indication is not None else "",
        ),
        *_bindings(session, contract, report),
        *_pictures_shown(session, contract),
        *(_assurance(session, signature) for signature in signing.list_signatures(session, contract_id)),
        _in_journal(services, session, contract),
    ]
    return Verification(tuple(findings), report)


def record_examination(
    services: Services, session: Session, contract_id: str, verification: Verification, *, actor: str
) -> None:
    """Journal who examined a contract and what came of it."""
    body = {"good": verification.good, "document_sha256": verification.report.document_sha256}
    services.journal.append(session, "contract-verified", subject=contract_id, actor=actor, body=body)


def export_evidence(services: Services, session: Session, contract_id: str) -> bytes:
    """The evidence bundle, checked before it is handed out. Reads only; `record_export` comes after it.

    Raises NotFound, EvidenceNotReady (not completed, or its journal entry waits for its place), InvalidEvidence.
    """
    contract = signing.get_contract(session, contract_id)
    if contract.delivered_at is None:
        raise EvidenceNotReady("the contract is not completed")
    try:
        proof = services.journal.prove(session, _archived_by(session, contract), contract.id)
    except Problem as exc:
        raise EvidenceNotReady("the journal has not sealed the entry yet") from exc
    ceremony = rules.from_dict(contract.ceremony)
    hierarchy = services.hierarchy
    signatures = session.scalars(select(Signature).where(Signature.contract_id == contract.id)).all()
    records = [session.get_one(CertificateRecord, signature.x5t_s256) for signature in signatures]
    bank = signing.find_bank(session)
    bundle = build_bundle(
        contract=services.documents.get(contract.current_sha256),
        consents=[get_wording(party.consent_version) for party in ceremony.parties],
        face_evidence={signature.field: _face_evidence(services, session, signature) for signature in signatures},
        certificates=[
            *(x509.load_der_x509_certificate(record.der) for record in records),
            *(authority.certificate for authority in hierarchy.authorities),
            hierarchy.seal.certificate,
            hierarchy.tsa_certificate,
        ],
        anchors=[hierarchy.root],
        crls=current_crls(services),
        log_entry=proof.to_json(),
        log_certificate=hierarchy.log.certificate,
        pages={party.field: _pages(party) for party in ceremony.parties if party.pictures},
        make_report=partial(_make_report, services, bank) if bank is not None else None,
    )
    services.workshop.run(tasks.check_evidence, bundle, hierarchy.root_der, services.clock())
    return bundle


def record_export(services: Services, session: Session, contract_id: str, bundle: bytes, *, actor: str) -> None:
    """Journal who took the evidence of a contract."""
    body = {"bundle_sha256": hashlib.sha256(bundle).hexdigest()}
    services.journal.append(session, "evidence-exported", subject=contract_id, actor=actor, body=body)


def _document(contract: Contract, pdf: bytes) -> Finding:
    sha256 = hashlib.sha256(pdf).hexdigest()
    return Finding(
        "存储的文件与其摘要一致", "The stored file has its digest", sha256 == contract.current_sha256, sha256
    )


def _bindings(session: Session, contract: Contract, report: SignatureReport) -> list[Finding]:
    """The signatures bind what the ceremony recorded: face evidence, wording and the document that was read."""
    ceremony = rules.from_dict(contract.ceremony)
    entries = {entry.field: entry for entry in report.signatures}
    findings = []
    for party in ceremony.parties:
        entry = entries.get(party.field)
        binding = entry.binding if entry is not None else None
        check = session.scalars(
            select(FaceCheck).where(FaceCheck.subject_id == contract.id, FaceCheck.evidence_root == party.face_root)
        ).first()
        bound = [part.hex() for part in signing.binding_parts(binding)] if binding is not None else [""] * 3
        recorded = (
            ("人脸核验证据", "face evidence", check.evidence_root if check is not None else None),
            ("确认文本", "consent wording", party.consent_sha256),
            ("所阅文件", "document read", party.presented_sha256),
        )
        for (zh, en, expected), value in zip(recorded, bound, strict=True):
            good = bool(expected) and value == expected
            findings.append(
                Finding(f"签名绑定的{zh}与记录一致", f"The signature binds the recorded {en}", good, expected or "")
            )
    return findings


def _pictures_shown(session: Session, contract: Contract) -> list[Finding]:
    """The page pictures that each party was shown are those that the journal recorded at that moment."""
    presented = select(JournalEntry).where(
        JournalEntry.subject == contract.id, JournalEntry.kind == "contract-presented"
    )
    journaled = {(entry.actor, entry.body.get("pictures_sha256")) for entry in session.scalars(presented)}
    persons_of = {party.party_id: party.person_id for party in contract.parties}
    return [
        Finding(
            "签署人所见页面图像的摘要与日志一致",
            "The pictures of the pages that were shown are those in the journal",
            (persons_of[party.party_id], digest) in journaled,
            digest,
        )
        for party in rules.from_dict(contract.ceremony).parties
        if party.pictures
        for digest in [signing.digest_of_pictures(party.pictures)]
    ]


def _assurance(session: Session, signature: Signature) -> Finding:
    """What the certificate says of the portrait is what was recorded; a low one cannot be left unsaid."""
    assurance = find_assurance(session, signature)
    record = session.get_one(CertificateRecord, signature.x5t_s256)
    stated = find_portrait_assurance(x509.load_der_x509_certificate(record.der))
    return Finding(
        "签署人证书载明的照片可信度与记录一致",
        "The signer certificate states the recorded assurance of the portrait",
        stated == assurance or (stated is None and assurance != Assurance.LOW),
        assurance or "",
    )


def find_assurance(session: Session, signature: Signature) -> str | None:
    """How the signer was known: "high" or "low" by the portrait, "assisted" by officers; None for what is older."""
    check = session.get(FaceCheck, signature.face_check_id) if signature.face_check_id else None
    return check.assurance if check is not None else None


def _in_journal(services: Services, session: Session, contract: Contract) -> Finding:
    zh, en = "日志中有该文件的存证记录", "The journal holds the record of this document"
    try:
        proof = services.journal.prove(session, _archived_by(session, contract), contract.id)
    except Problem as exc:
        return Finding(zh, en, False, exc.detail, chinese_for(exc.code, int(exc.status)))
    body = json.loads(proof.leaf)["body"]
    good = body.get("document_sha256") == contract.current_sha256
    return Finding(zh, en, good, f"leaf {proof.index}", f"第 {proof.index} 条")


def _archived_by(session: Session, contract: Contract) -> str:
    """The kind of journal entry that names the newest archived document."""
    newest = session.get(Revision, (contract.id, contract.current_sha256))
    return RENEWED if newest is not None and newest.kind == "renewed" else COMPLETED


def _pages(party: rules.Party) -> dict[str, object]:
    """The page pictures that a party was shown before it signed."""
    return {
        "document_sha256": party.presented_sha256,
        "pictures": list(party.pictures),
        "pictures_sha256": signing.digest_of_pictures(party.pictures),
    }


def _make_report(
    services: Services, bank: Tenant, document: bytes, parts: Mapping[str, bytes], log_entry: Mapping[str, Any]
) -> bytes:
    # The workshop typesets; the sealing key stays here.
    pdf = services.workshop.run(tasks.typeset_report, document, dict(parts), dict(log_entry))
    return tasks.seal_report(services, pdf, bank, services.clock())


def _face_evidence(services: Services, session: Session, signature: Signature) -> dict[str, object]:
    check = session.get(FaceCheck, signature.face_check_id) if signature.face_check_id else None
    if check is None or check.evidence_sealed is None:
        raise EvidenceNotReady("the face evidence was forgotten")
    try:
        opened = persons.open_for(services, session, check.person_id, check.evidence_sealed, f"evidence:{check.id}")
    except PersonForgotten as exc:
        # The hashes of the leaves still prove the root that the signature binds.
        if check.evidence_leaves is None:
            raise EvidenceNotReady("the face evidence was forgotten") from exc
        return check.evidence_leaves
    evidence: dict[str, object] = json.loads(opened)
    return evidence

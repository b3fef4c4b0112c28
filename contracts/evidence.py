"""Evidence of a signed contract in one file that proves itself, offline, to whoever trusts the root.

Parts of a bundle (`contracts.container`):

    contract.pdf                 the signed contract
    consent/<sha256>.json        each consent wording in its canonical form
    face/<field>.json            face evidence of the signature in that field
    pages.json                   {<field>: {"document_sha256", "pictures": [SHA-256 of each page's PNG as it was shown
                                 to the signer], "pictures_sha256": SHA-256 over those digests}}; report.pdf names it
    certificates/<sha256>.der    signer certificates and issuing authorities
    anchors/<sha256>.der         the trust anchors it was made under, to compare with those from outside
    log/entry.json               {"leaf", "index", "inclusion_proof": [hex], "checkpoint"}
    log/certificate.der          the log's certificate
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from contracts.consent import ConsentWording, parse_wording
from contracts.container import canonical_json, pack, parse_canonical_json, unpack, verify_manifest
from contracts.errors import InvalidEvidence, UnknownWording
from contracts.evidence_report import open_archive
from contracts.face_commitment import face_root
from contracts.findings import Finding
from contracts.report import SignatureEntry, SignatureReport, Verdict
from contracts.revocation import RevocationData
from contracts.signed_data import check_embedded, is_plain
from contracts.validation import validate
from pki.checkpoint import verify_checkpoint
from pki.errors import PkiError
from pki.path import Purpose, TrustPolicy, validate_path
from pki.translog import leaf_hash, verify_inclusion

_MAX_CERTIFICATES = 64
_LOG_MEMBERS = {"leaf", "index", "inclusion_proof", "checkpoint"}


@dataclass(frozen=True, slots=True)
class EvidenceStep:
    """One check that was passed."""

    name: str
    text_zh: str
    text_en: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    steps: tuple[EvidenceStep, ...]
    contract_sha256: str


def build_bundle(
    *,
    contract: bytes,
    consents: Iterable[ConsentWording],
    face_evidence: Mapping[str, Mapping[str, Any]],
    certificates: Iterable[x509.Certificate],
    anchors: Iterable[x509.Certificate],
    log_entry: Mapping[str, Any],
    log_certificate: x509.Certificate,
    crls: Iterable[bytes] = (),
    pages: Mapping[str, Mapping[str, Any]] | None = None,
    make_report: Callable[[bytes, Mapping[str, bytes], Mapping[str, Any]], bytes] | None = None,
) -> bytes:
    """Pack the evidence; the same parts give the same bytes.

    `face_evidence` maps field names to JSON objects with their "root"; `certificates` are the
    signers' and the issuing authorities', also the log's; `log_entry` is {"leaf", "index",
    "inclusion_proof", "checkpoint"} of the journal entry that names the contract's SHA-256. `crls` (DER)
    answer for the newest archive time stamp, whose own answers no file can hold.
    `make_report(contract, parts, log_entry) -> pdf` typesets (`contracts.evidence_report.render_report`) the readable
    report (出证报告) and signs it with the bank's seal and a time stamp; without it there is none, and none of the
    pictures shown (`pages`), because nothing would vouch for them. Raises RenderingFailed, SigningFailed.
    """
    parts = {
        "contract.pdf": contract,
        "log/entry.json": canonical_json(_own_head(log_entry)),
        "log/certificate.der": log_certificate.public_bytes(Encoding.DER),
    }
    for wording in consents:
        parts[f"consent/{wording.sha256.hex()}.json"] = wording.canonical_form()
    for field, evidence in face_evidence.items():
        parts[f"face/{field}.json"] = canonical_json(evidence)
    contents = open_archive(contract)
    for der in (*crls, *contents.crls):
        parts[f"revocation/{hashlib.sha256(der).hexdigest()}.crl"] = der
    for name, token in contents.timestamps.items():
        parts[f"timestamps/{name}.der"] = token
    for folder, members in (("certificates", certificates), ("anchors", anchors)):
        for certificate in members:
            der = certificate.public_bytes(Encoding.DER)
            parts[f"{folder}/{hashlib.sha256(der).hexdigest()}.der"] = der
    if make_report is not None:
        if pages:
            parts["pages.json"] = canonical_json(pages)
        parts["report.pdf"] = make_report(contract, parts, log_entry)
    return pack(parts)


def _own_head(log_entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry under a head with the log's own signature alone: a witness's word comes from outside the bundle."""
    text, separator, signatures = str(log_entry["checkpoint"]).rpartition("\n\n")
    origin = text.split("\n", 1)[0]
    own = [line for line in signatures.splitlines(keepends=True) if line.startswith(f"— {origin} ")]
    return {**log_entry, "checkpoint": text + separator + "".join(own)}


def verify_bundle(bundle: bytes, anchors: Iterable[x509.Certificate], at: datetime) -> EvidenceReport:
    """Recompute everything, offline. `anchors` come from outside the bundle; `at` is the time of
    the examination.

    Raises InvalidEvidence, which names the step that failed.
    """
    steps = tuple(check_bundle(bundle, anchors, at))
    return EvidenceReport(steps, hashlib.sha256(unpack(bundle)["contract.pdf"]).hexdigest())


def check_bundle(bundle: bytes, anchors: Iterable[x509.Certificate], at: datetime) -> Iterator[EvidenceStep]:
    """As `verify_bundle`, but yields each step once it is passed. Raises InvalidEvidence."""
    # 1. The container holds what its manifest says and nothing else.
    files = unpack(bundle)
    parts = verify_manifest(files)
    yield EvidenceStep("container", "证据包完整", "The container is whole", f"{len(parts)} parts")

    # 2. It was made under the root that the examiner trusts.
    trusted = tuple(anchors)
    policy = _trust(parts, trusted)
    fingerprints = ", ".join(hashlib.sha256(_der(anchor)).hexdigest() for anchor in trusted)
    yield EvidenceStep(
        "trust", "证据包所用根证书与外部给定的根证书一致", "It stands under the given root", fingerprints
    )

    # 3. The signatures of the contract are valid, each with its time stamp, and cover the entire file.
    contract = _part(parts, "contract.pdf", "signatures")
    crls = _check_answers(parts, policy)
    report = validate(contract, policy, at, crls=crls)
    if report.verdict is not Verdict.VALID:
        raise InvalidEvidence("signatures", f"{report.verdict} {report.sub_indication}: {report.explanation}")
    for entry in report.signatures:
        yield _signature_step(entry)

    _check_report(parts, policy, contract, crls, at)
    tokens = {f"timestamps/{name}.der": token for name, token in open_archive(contract).timestamps.items()}
    if {path: data for path, data in parts.items() if path.startswith("timestamps/")} != tokens:
        raise InvalidEvidence("signatures", "the time stamps are not those of the contract")

    # 4. Each signer's certificate is among the evidence and was valid when the signature was stamped.
    _check_certificates(parts, policy, report)
    yield EvidenceStep("certificates", "签署时证书均在有效期内", "Each certificate was valid at its time stamp")

    # 5. Each personal signature binds to consent, face evidence and document.
    yield from _check_bindings(parts, report)

    # 6. The log holds an entry about this very contract, under a head that it signed.
    yield _check_log(parts, policy, contract, report)


def _trust(parts: Mapping[str, bytes], trusted: tuple[x509.Certificate, ...]) -> TrustPolicy:
    packed = {data for path, data in parts.items() if path.startswith("anchors/")}
    if not packed or packed - {_der(anchor) for anchor in trusted}:
        raise InvalidEvidence("trust", "the bundle was made under another root")
    members = [(path, data) for path, data in parts.items() if path.startswith("certificates/")]
    if len(members) > _MAX_CERTIFICATES:
        raise InvalidEvidence("trust", "too many certificates")
    with _readable("trust"):
        certificates = [x509.load_der_x509_certificate(data) for _, data in members]
        check_embedded(certificates, trusted)
        issuers = tuple(c for c in certificates if _is_authority(c) and c not in trusted)
        return TrustPolicy(trusted, issuers)


def _check_answers(parts: Mapping[str, bytes], policy: TrustPolicy) -> list[bytes]:
    """The CRLs, each signed by an authority at hand: what is not is no evidence, and was changed."""
    found = {path: data for path, data in parts.items() if path.startswith("revocation/")}
    known = RevocationData()
    with _readable("revocation"):
        for path, data in parts.items():
            signed = path.startswith(("certificates/", "revocation/")) or path == "log/certificate.der"
            if signed and not is_plain(data):
                raise InvalidEvidence("revocation", f"{path}: unused bits that no signature protects")
        for path, data in found.items():
            if not known.is_signed(data, (*policy.anchors, *policy.intermediates)):
                raise InvalidEvidence("revocation", f"{path} is signed by no authority at hand")
    return list(found.values())


def _signature_step(entry: SignatureEntry) -> EvidenceStep:
    detail = f"{entry.field}: {entry.subject}, {entry.stamped_at and entry.stamped_at.isoformat()}"
    if entry.level:
        detail += f", {entry.level}"
    return EvidenceStep("signatures", "签名有效", "The signature is valid", detail)


def _check_report(
    parts: Mapping[str, bytes], policy: TrustPolicy, contract: bytes, crls: list[bytes], at: datetime
) -> None:
    """The readable report, where there is one, is sealed and about this contract."""
    if "report.pdf" not in parts:
        if "pages.json" in parts:
            raise InvalidEvidence("report", "nothing vouches for the pictures shown")
        return
    found = validate(parts["report.pdf"], policy, at, crls=crls)
    if found.verdict is not Verdict.VALID:
        raise InvalidEvidence("report", f"{found.verdict} {found.sub_indication}: {found.explanation}")
    if hashlib.sha256(contract).hexdigest().encode() not in parts["report.pdf"]:
        raise InvalidEvidence("report", "the report is about another contract")
    if "pages.json" in parts and hashlib.sha256(parts["pages.json"]).hexdigest().encode() not in parts["report.pdf"]:
        raise InvalidEvidence("report", "the report is about other pictures")


def _check_certificates(parts: Mapping[str, bytes], policy: TrustPolicy, report: SignatureReport) -> None:
    packed = {data for path, data in parts.items() if path.startswith("certificates/")}
    for entry in report.signatures:
        if entry.certificate is None or entry.stamped_at is None:
            raise InvalidEvidence("certificates", f"{entry.field}: no time stamp")
        # validation has read this certificate already
        certificate = x509.load_der_x509_certificate(entry.certificate)
        if entry.binding is not None and entry.certificate not in packed:
            raise InvalidEvidence("certificates", f"{entry.field}: the certificate is missing")
        if not certificate.not_valid_before_utc <= entry.stamped_at <= certificate.not_valid_after_utc:
            raise InvalidEvidence("certificates", f"{entry.field}: stamped outside its validity")


def _check_bindings(parts: Mapping[str, bytes], report: SignatureReport) -> Iterator[EvidenceStep]:
    consents = {path: data for path, data in parts.items() if path.startswith("consent/")}
    wordings = {}
    for path, data in consents.items():
        try:
            wordings[hashlib.sha256(data).digest()] = parse_wording(data)
        except UnknownWording as exc:
            raise InvalidEvidence("consent", path) from exc
    bound = [entry for entry in report.signatures if entry.binding is not None]
    if not bound:
        raise InvalidEvidence("binding", "no signature is bound to a face check")
    faces = {path for path in parts if path.startswith("face/")}
    if faces != {f"face/{entry.field}.json" for entry in bound}:
        raise InvalidEvidence("face-evidence", "not one for each personal signature")
    for entry in bound:
        assert entry.binding is not None
        wording = wordings.get(entry.binding.consent_sha256)
        if wording is None:
            raise InvalidEvidence("consent", f"{entry.field}: signed under another wording")
        yield EvidenceStep(
            "consent",
            "签名所绑定的同意文本一致",
            "The signature binds to this consent wording",
            wording.version,
        )
        evidence = parse_canonical_json(parts[f"face/{entry.field}.json"], "face-evidence")
        if face_root(evidence) != entry.binding.face_evidence_root:
            raise InvalidEvidence("face-evidence", f"{entry.field}: the signature binds to another face check")
        yield EvidenceStep(
            "face-evidence",
            "签名所绑定的人脸核验记录一致",
            "The signature binds to this face check",
            entry.binding.face_evidence_root.hex(),
        )
        yield EvidenceStep(
            "document",
            "签署人所阅读的文件是本合同的在先版本",
            "What the signer read is a revision of this contract",
            entry.binding.document_sha256.hex(),
        )


def _check_log(
    parts: Mapping[str, bytes], policy: TrustPolicy, contract: bytes, report: SignatureReport
) -> EvidenceStep:
    log = parse_canonical_json(_part(parts, "log/entry.json", "log"), "log")
    signed_at = max(entry.stamped_at for entry in report.signatures if entry.stamped_at is not None)
    with _readable("log"):
        if set(log) != _LOG_MEMBERS:
            raise InvalidEvidence("log", "unknown members")
        certificate = x509.load_der_x509_certificate(_part(parts, "log/certificate.der", "log"))
        validate_path(certificate, policy, signed_at, purpose=Purpose.LOG)
        key = certificate.public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidEvidence("log", "the log's key is not Ed25519")
        checkpoint = verify_checkpoint(log["checkpoint"].encode(), key)
        proof = [bytes.fromhex(node) for node in log["inclusion_proof"]]
        if [node.hex() for node in proof] != log["inclusion_proof"]:
            raise InvalidEvidence("log", "the proof is not in canonical form")
        leaf = leaf_hash(log["leaf"].encode())
        verify_inclusion(leaf, log["index"], checkpoint.size, proof, checkpoint.root)
        named = _strings(json.loads(log["leaf"]))
    if hashlib.sha256(contract).hexdigest() not in named:
        raise InvalidEvidence("log", "the entry is about another contract")
    return EvidenceStep(
        "log",
        "存证日志包含本合同，且由日志密钥签名",
        "The log holds this contract under a signed head",
        f"{checkpoint.origin}, leaf {log['index']} of {checkpoint.size}",
    )


@contextmanager
def _readable(step: str) -> Iterator[None]:
    """Hostile parts make parsers raise errors of every kind; each means that the step failed."""
    try:
        yield
    except InvalidEvidence:
        raise
    except (PkiError, Finding) as exc:
        raise InvalidEvidence(step, str(exc)) from exc
    except Exception as exc:
        raise InvalidEvidence(step, f"cannot be read: {type(exc).__name__}") from exc


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set[str]().union(*(_strings(member) for member in members))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _part(parts: Mapping[str, bytes], path: str, step: str) -> bytes:
    if path not in parts:
        raise InvalidEvidence(step, f"{path} is missing")
    return parts[path]


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)

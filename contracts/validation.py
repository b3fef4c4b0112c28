"""PDF -> SignatureReport as of a given time (ETSI EN 319 102-1), stricter than pyHanko's defaults.

Stricter: the last signature or document time stamp must cover the entire file; the gap in a byte range holds nothing
but the CMS; each unsigned part of the CMS has its one lawful value; between what a signer was shown and the end of the
file came nothing but signatures; every exception of a parser becomes a verdict. Proof of existence comes from time
stamps, never from a clock in the file. Levels are what the evaluation found, not what the file contains:

    B-B    signature and chain are good now
    B-T    a good time stamp proves when the signature existed; everything is judged as of then
    B-LT   and every certificate's revocation state as of then follows from data inside the file
    B-LTA  and a good document time stamp proves that data and signature existed together
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from contracts.chains import ChainContext
from contracts.changes import Changes
from contracts.errors import DocumentNotValid
from contracts.findings import failed
from contracts.opened import Opened, open_signatures
from contracts.proven_times import ProvenTimes
from contracts.report import SignatureEntry, SignatureReport, SubIndication, Verdict
from contracts.revisions import MAX_DOCUMENT_BYTES, MAX_REVISIONS, find_revision, read
from contracts.revocation import RevocationData
from pki.path import RevocationLookup, TrustPolicy

MAX_SIGNATURES = 32


def validate(
    pdf: bytes,
    trust: TrustPolicy,
    at: datetime,
    *,
    revocation: RevocationLookup | None = None,
    crls: Iterable[bytes] = (),
    ocsp_responses: Iterable[bytes] = (),
    existed_at: datetime | None = None,
) -> SignatureReport:
    """Validate every signature of a PDF as of `at` (aware UTC). Never raises for anything that the file holds.

    Issuing certificates may come from the file; anchors come from `trust` alone. Revocation comes from the file, from
    `crls` and `ocsp_responses` (DER) and from `revocation`, an authority's own records; without any for a certificate
    that needs it, the verdict is INDETERMINATE. `existed_at`: the file is proven otherwise, as by a witnessed log, to
    have existed then.
    """
    digest = hashlib.sha256(pdf).hexdigest()

    def verdict(
        outcome: Verdict,
        sub: SubIndication | None,
        why: str,
        covers: bool = False,
        entries: Sequence[SignatureEntry] = (),
        unsigned: Sequence[str] = (),
    ) -> SignatureReport:
        return SignatureReport(outcome, sub, why, at, digest, covers, tuple(entries), tuple(unsigned))

    try:
        if len(pdf) > MAX_DOCUMENT_BYTES:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "the file is too large")
        reader = read(pdf)
        if reader.encrypted or reader.total_revisions > MAX_REVISIONS:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "encrypted, or too many revisions")
        fields = [(name, value is not None) for name, value, _ in enumerate_sig_fields(reader)]
        filled = sum(is_filled for _, is_filled in fields)
        unsigned = [str(name) for name, is_filled in fields if not is_filled]
        if not filled:
            return verdict(
                Verdict.INDETERMINATE, SubIndication.SIGNED_DATA_NOT_FOUND, "no signature", unsigned=unsigned
            )
        embedded = reader.embedded_signatures
        if len(embedded) != filled or filled > MAX_SIGNATURES:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "unknown kinds of signature, or too many")
        known_at = at if existed_at is None else min(at, existed_at)
        data = RevocationData()
        data.add(crls, ocsp_responses, at, embedded=False)
        entries = _examine(pdf, Changes(reader), embedded, ChainContext(trust, revocation, data), known_at)
    except MemoryError:
        return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "the file needs more memory than there is")
    except Exception as exc:  # a parser meets hostile input with errors of every kind
        why = f"the file cannot be read: {type(exc).__name__}"
        return verdict(Verdict.INVALID, SubIndication.FORMAT_FAILURE, why)

    covers = entries[-1].coverage == SignatureCoverageLevel.ENTIRE_FILE.name
    # What is certain comes first; of what is not, the newest, because its want of proof leaves the older without.
    for outcome, order in ((Verdict.INVALID, entries), (Verdict.INDETERMINATE, entries[::-1])):
        for entry in order:
            if entry.verdict is outcome:
                why = f"{entry.field}: {entry.explanation}"
                return verdict(outcome, entry.sub_indication, why, covers, entries, unsigned)
    if not covers:
        why = "the last signature does not cover the entire file"
        return verdict(Verdict.INVALID, SubIndication.FORMAT_FAILURE, why, covers, entries, unsigned)
    return verdict(Verdict.VALID, None, "", covers, entries, unsigned)


def verify_document(pdf: bytes, trust: TrustPolicy, at: datetime, **evidence: Any) -> SignatureReport:
    """As `validate`, with the same arguments, but raises DocumentNotValid unless the verdict is VALID."""
    report = validate(pdf, trust, at, **evidence)
    if report.verdict is not Verdict.VALID:
        raise DocumentNotValid(f"{report.verdict} {report.sub_indication}: {report.explanation}")
    return report


def _examine(
    pdf: bytes, changes: Changes, embedded: Sequence[EmbeddedPdfSignature], chains: ChainContext, known_at: datetime
) -> list[SignatureEntry]:
    # 1. What the file itself can tell: form, coverage, digests, signature values, time stamps' contents.
    signatures = open_signatures(pdf, changes.reader, embedded)
    # 2. Nothing but signatures came after what each signer saw. Asked only of what may still be good.
    certified = any(opened.entry.certifies for opened in signatures)
    for opened in signatures:
        opened.guard(_check_changes, pdf, changes, certified)
    # 3. Chains and revocation, newest first.
    ProvenTimes(chains, changes, signatures).judge(known_at)
    return [opened.entry for opened in signatures]


def _check_changes(opened: Opened, pdf: bytes, changes: Changes, certified_by_any: bool) -> None:
    signature, binding = opened.signature, opened.entry.binding
    certified = binding is not None or certified_by_any
    permitted = signature.docmdp_level or ModificationLevel.FORM_FILLING
    lock = [signature.fieldmdp] if signature.fieldmdp is not None else []
    after, why = changes.since(signature.signed_revision, certified=certified, locks=lock)
    opened.entry = replace(opened.entry, modifications=after.name)
    if after.value > min(permitted.value, ModificationLevel.FORM_FILLING.value):
        raise failed(SubIndication.HASH_FAILURE, f"the document was changed after this signature. {why}".strip())
    if binding is None:
        return
    shown = find_revision(binding.document_sha256, pdf, changes.reader, int(signature.byte_range[1]))
    if shown is None:
        raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "what the signer read is no revision of this file")
    since_shown, why = changes.since(shown, certified=True)
    if since_shown > ModificationLevel.FORM_FILLING:
        raise failed(
            SubIndication.SIG_CONSTRAINTS_FAILURE, f"more than signatures came after what the signer read. {why}"
        )

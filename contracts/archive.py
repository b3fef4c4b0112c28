"""Long-term archive form: validation data and a document time stamp (PAdES B-LTA, ETSI EN 319 142-1 §5.5).

A time stamp holds as long as its certificate and its algorithms. Before either ends, a new one is put over the whole,
together with the revocation data of the old one: so what was proven once stays proven, for as long as somebody renews.
What was forgotten cannot be renewed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from io import BytesIO

from asn1crypto import crl, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.fields import InvisSigSettings, SigFieldSpec, enumerate_sig_fields
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore

from contracts import cms, der
from contracts.errors import SigningFailed
from contracts.ports import TimestampSource
from contracts.revisions import RevisionWriter, read
from contracts.signed_data import OpenedSignedData, open_signed_data, signer_certificate
from contracts.signing import RESERVED_BYTES, fill_contents, pyhanko_errors
from contracts.validation import verify_document
from pki.path import RevocationLookup, TrustPolicy

FIELD_PREFIX = "archive-timestamp-"
RENEWAL_MARGIN = timedelta(days=365)
"""Renewing fails for weeks before anything is lost: authorities close, keys are lost, jobs stand still."""


def archive(
    pdf: bytes,
    timestamps: TimestampSource,
    *,
    certificates: Iterable[x509.Certificate] = (),
    ocsp_responses: Iterable[bytes] = (),
    crls: Iterable[bytes] = (),
) -> bytes:
    """Embed validation data (DER) in the document security store and time-stamp the whole, in one revision.

    `certificates` are those of all chains, the root among them, because other validators look for it there. The CRLs
    of an authority that publishes deltas come with their delta, which such validators insist on (RFC 5280 §5.2.6).
    Raises SigningFailed for an unsigned or unreadable file or unreadable validation data, TimestampFailed.
    """
    with pyhanko_errors():
        writer = RevisionWriter.of(pdf)
        names = [name for name, _, _ in enumerate_sig_fields(writer, filled_status=True)]
        if not names:
            raise SigningFailed("there is no signature to archive")
        DocumentSecurityStore.supply_dss_in_writer(
            writer,
            None,
            certs=[asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in certificates],
            ocsps=[ocsp.OCSPResponse.load(der, strict=True) for der in ocsp_responses],
            crls=[crl.CertificateList.load(der, strict=True) for der in crls],
        )
        field = f"{FIELD_PREFIX}{1 + sum(name.startswith(FIELD_PREFIX) for name in names)}"
        # no box, and the print flag that PDF/A asks of every annotation (ISO 19005-2 §6.3.2)
        invisible = InvisSigSettings(set_print_flag=True, set_hidden_flag=False)
        embedder = PdfCMSEmbedder(SigFieldSpec(field, invis_sig_settings=invisible)).write_cms(field, writer)
        next(embedder)
        placeholder = DocumentTimestamp(bytes_reserved=2 * RESERVED_BYTES)  # type: ignore[no-untyped-call]
        embedder.send(SigObjSetup(sig_placeholder=placeholder))
        prepared, output = embedder.send(SigIOSetup(md_algorithm="sha256", output=BytesIO()))
    token, _ = cms.request_timestamp(timestamps, prepared.document_digest)
    return fill_contents(
        output.getvalue(),
        prepared.document_digest,
        prepared.reserved_region_start,
        prepared.reserved_region_end,
        token.dump(),
    )


def renew(
    pdf: bytes,
    timestamps: TimestampSource,
    trust: TrustPolicy,
    at: datetime,
    *,
    certificates: Iterable[x509.Certificate] = (),
    ocsp_responses: Iterable[bytes] = (),
    crls: Iterable[bytes] = (),
    revocation: RevocationLookup | None = None,
) -> bytes:
    """Extend an archived document, which is VALID as of `at`, by the newest time stamp's revocation data and another
    time stamp. Arguments as for `archive` and `contracts.validation.validate`.

    Raises DocumentNotValid, because a new time stamp over a broken proof would only hide the break; and what
    `archive` raises.
    """
    answers, lists = tuple(ocsp_responses), tuple(crls)
    verify_document(pdf, trust, at, revocation=revocation, crls=lists, ocsp_responses=answers)
    return archive(pdf, timestamps, certificates=certificates, ocsp_responses=answers, crls=lists)


def proof_ends_at(pdf: bytes) -> datetime:
    """When the newest time stamp's chain ends, as far as the token carries it: renew well before that.

    Raises SigningFailed where the file cannot be read or carries no time stamp.
    """
    with pyhanko_errors():
        return min(x509.load_der_x509_certificate(c).not_valid_after_utc for c in _newest_timestamp(pdf).certificates)


def timestamp_certificate(pdf: bytes) -> x509.Certificate:
    """Whose answer a renewal needs: the certificate of the newest time stamp. Raises as `proof_ends_at`."""
    with pyhanko_errors():
        return x509.load_der_x509_certificate(signer_certificate(_newest_timestamp(pdf)))


def _newest_timestamp(pdf: bytes) -> OpenedSignedData:
    newest = read(pdf).embedded_signatures[-1]
    opened = open_signed_data(der.first(newest.pkcs7_content).whole)
    if newest.sig_object_type == "/DocTimeStamp":
        return opened
    if opened.token is None:
        raise SigningFailed("there is no time stamp to renew")
    return open_signed_data(opened.token)


def is_renewal_due(pdf: bytes, at: datetime) -> bool:
    """Whether the time stamp ends within RENEWAL_MARGIN. Raises SigningFailed."""
    return proof_ends_at(pdf) - at < RENEWAL_MARGIN

"""Long-term archive form: validation data and a document time stamp (PAdES B-LTA, ETSI EN 319 142-1 §5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from asn1crypto import crl, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.fields import InvisSigSettings, SigFieldSpec, enumerate_sig_fields
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore

from contracts import cms
from contracts.errors import SigningFailed
from contracts.ports import TimestampSource
from contracts.revisions import RevisionWriter
from contracts.signing import RESERVED_BYTES, fill_contents, pyhanko_errors

FIELD_PREFIX = "archive-timestamp-"


def archive(
    pdf: bytes,
    timestamps: TimestampSource,
    *,
    certificates: Iterable[x509.Certificate] = (),
    ocsp_responses: Iterable[bytes] = (),
    crls: Iterable[bytes] = (),
) -> bytes:
    """Embed validation data (DER) in the document security store and time-stamp the whole, in one revision.

    To be repeated before the last time stamp's certificate or algorithms wear out. Raises
    SigningFailed for an unsigned or unreadable file or unreadable validation data, TimestampFailed.
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

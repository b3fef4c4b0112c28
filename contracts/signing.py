"""PAdES baseline B-T signatures (ETSI EN 319 142-1) in two steps, so that the key may be elsewhere.

    prepare_document -> begin_signature -> (the key signs `signed_attributes`) -> finish_signature

`sign_with_key` does both steps with a loaded key. All fields exist before the first signature,
which certifies the document for form filling (DocMDP level 2, ISO 32000-1 §12.8.2.2), so that later
signatures leave it valid.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.fields import (
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    append_signature_field,
    enumerate_sig_fields,
)
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import PreparedByteRangeDigest, SignatureObject

from contracts import cms
from contracts.appearance import apply_seal
from contracts.binding import SignatureBinding
from contracts.errors import ContractError, SigningFailed, TimestampFailed
from contracts.ports import TimestampSource
from contracts.revisions import RevisionWriter, is_revision_of

RESERVED_BYTES = 16 * 1024
"""Room for the CMS: certificates, signature and time-stamp token take 3–6 KiB. Given, so that
pyHanko need not sign once in vain to measure."""


class Place(Protocol):
    """What a signature field needs of a `contracts.render.SignaturePlace`."""

    @property
    def name(self) -> str: ...
    @property
    def page(self) -> int: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...


@dataclass(frozen=True, slots=True)
class PendingSignature:
    """A document waiting for one signature value. Holds no secret; may be stored between two requests."""

    field: str
    document: bytes
    """The PDF with room left for the signature."""
    read_sha256: bytes
    """SHA-256 (32 bytes) of the revision that was given, before this signature."""
    content_digest: bytes
    reserved_start: int
    reserved_end: int
    signed_attributes: bytes
    """DER of the SET OF attributes: what the key signs, hashed with `digest_algorithm`."""
    certificate: bytes
    chain: tuple[bytes, ...]

    @property
    def digest_algorithm(self) -> str:
        return cms.mechanism_for(x509.load_der_x509_certificate(self.certificate)).digest

    def dump(self) -> bytes:
        """UTF-8 JSON with base64 members."""
        return json.dumps(
            {
                "format": _FORMAT,
                "field": self.field,
                "reserved": [self.reserved_start, self.reserved_end],
                **{name: _b64(getattr(self, name)) for name in _BINARY_MEMBERS},
                "chain": [_b64(der) for der in self.chain],
            }
        ).encode()

    @classmethod
    def load(cls, stored: bytes) -> PendingSignature:
        """The inverse of `dump`. Raises SigningFailed."""
        try:
            members = json.loads(stored)
            if members["format"] != _FORMAT:
                raise SigningFailed("unknown format of a pending signature")
            start, end = members["reserved"]
            return cls(
                field=members["field"],
                reserved_start=int(start),
                reserved_end=int(end),
                chain=tuple(base64.b64decode(der, validate=True) for der in members["chain"]),
                **{name: base64.b64decode(members[name], validate=True) for name in _BINARY_MEMBERS},
            )
        except (ValueError, KeyError, TypeError) as exc:
            raise SigningFailed("not a pending signature") from exc


_FORMAT = "yunlian-pending-signature/1"
_BINARY_MEMBERS = ("document", "read_sha256", "content_digest", "signed_attributes", "certificate")


def prepare_document(pdf: bytes, places: Iterable[Place]) -> bytes:
    """Add one empty signature field with one annotation for each place, in one revision. Reproducible.

    Raises SigningFailed where a field of that name exists, a page is missing, or the file is no PDF.
    """
    with pyhanko_errors():
        writer = RevisionWriter.of(pdf)
        for place in places:
            box: Any = (place.x, place.y, place.x + place.width, place.y + place.height)  # fractions are fine
            append_signature_field(writer, SigFieldSpec(sig_field_name=place.name, on_page=place.page, box=box))
        return writer.finished()


def begin_signature(
    pdf: bytes,
    field: str,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    binding: SignatureBinding | None = None,
    seal: bytes | None = None,
    *,
    at: datetime,
) -> PendingSignature:
    """Fill a prepared field up to the signature value.

    `chain` holds the issuing certificates, `seal` a one-page PDF to show, `at` the claimed signing
    time. The first signature certifies. The binding's document is this revision or, where parties
    sign in parallel, an earlier one of the same file. Raises SigningFailed where it is neither, or
    where there is no such empty field.
    """
    mechanism = cms.mechanism_for(certificate)
    if binding is not None and not is_revision_of(binding.document_sha256, pdf):
        raise SigningFailed("the binding names a document that this is not a revision of")
    with pyhanko_errors():
        writer = RevisionWriter.of(pdf)
        first = next(enumerate_sig_fields(writer, filled_status=True), None) is None
        embedder = PdfCMSEmbedder().write_cms(field, writer, existing_fields_only=True)
        widget = next(embedder).get_object()
        if seal is not None:
            apply_seal(writer, widget, seal)
        signature = SignatureObject(timestamp=at, subfilter=SigSeedSubFilter.PADES, bytes_reserved=2 * RESERVED_BYTES)
        docmdp = SigMDPSetup(
            md_algorithm=mechanism.digest,
            certify=first,
            docmdp_perms=MDPPerm.FILL_FORMS if first else None,
        )
        embedder.send(SigObjSetup(sig_placeholder=signature, mdp_setup=docmdp))
        prepared, output = embedder.send(SigIOSetup(md_algorithm=mechanism.digest, output=BytesIO()))
    return PendingSignature(
        field=field,
        document=output.getvalue(),
        read_sha256=hashlib.sha256(pdf).digest(),
        content_digest=prepared.document_digest,
        reserved_start=prepared.reserved_region_start,
        reserved_end=prepared.reserved_region_end,
        signed_attributes=cms.signed_attributes(prepared.document_digest, certificate, binding),
        certificate=certificate.public_bytes(Encoding.DER),
        chain=tuple(issuer.public_bytes(Encoding.DER) for issuer in chain),
    )


def finish_signature(pending: PendingSignature, signature: bytes, timestamps: TimestampSource) -> bytes:
    """Embed a signature value, with a time stamp over it (CAdES signature-time-stamp, level B-T).

    `signature` is P1363 r||s as WebCrypto makes it, DER ECDSA, or RSA PKCS #1. Answers the signed PDF.
    Raises InvalidSignature where it does not verify, TimestampFailed where no token is had or its time lies
    outside the certificate's validity.
    """
    certificate = x509.load_der_x509_certificate(pending.certificate)
    value = cms.verified_signature(certificate, pending.signed_attributes, signature)
    token, stamped_at = cms.request_timestamp(timestamps, hashlib.sha256(value).digest())
    if not certificate.not_valid_before_utc <= stamped_at <= certificate.not_valid_after_utc:
        raise TimestampFailed("the time stamp lies outside the validity of the signer's certificate")
    chain = [x509.load_der_x509_certificate(der) for der in pending.chain]
    content = cms.signed_data(pending.signed_attributes, value, certificate, chain, token.dump())
    return fill_contents(
        pending.document, pending.content_digest, pending.reserved_start, pending.reserved_end, content
    )


def sign_with_key(
    pdf: bytes,
    field: str,
    private_key: cms.SigningKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    timestamps: TimestampSource,
    *,
    at: datetime,
    binding: SignatureBinding | None = None,
    seal: bytes | None = None,
) -> bytes:
    """Sign with a loaded key, as the bank does. Arguments and errors as for the two steps."""
    pending = begin_signature(pdf, field, certificate, chain, binding, seal, at=at)
    value = cms.sign_attributes(private_key, certificate, pending.signed_attributes)
    return finish_signature(pending, value, timestamps)


def fill_contents(document: bytes, digest: bytes, start: int, end: int, content: bytes) -> bytes:
    """Write a CMS object into the room left in /Contents. Raises SigningFailed where it does not fit."""
    with pyhanko_errors():
        output = BytesIO(document)
        PreparedByteRangeDigest(
            document_digest=digest, reserved_region_start=start, reserved_region_end=end
        ).fill_with_cms(output, content)
        return output.getvalue()


@contextmanager
def pyhanko_errors() -> Iterator[None]:
    """pyHanko answers unusable input with its own errors and with whatever its parser stumbles over."""
    try:
        yield
    except ContractError:
        raise
    except Exception as exc:
        raise SigningFailed(f"the document cannot be signed: {exc}") from exc


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()

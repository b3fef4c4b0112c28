"""What a signer certificate binds its one signature to."""

from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat import asn1

from pki.errors import InvalidBinding
from pki.profiles import PORTRAIT_ASSURANCE, SIGNATURE_BINDING


@dataclass(frozen=True, slots=True)
class SignatureBinding:
    """Three SHA-256 values of 32 bytes each: face evidence (its Merkle root), consent wording, document."""

    face_evidence_root: bytes
    consent_sha256: bytes
    document_sha256: bytes

    def __post_init__(self) -> None:
        if any(len(d) != 32 for d in (self.face_evidence_root, self.consent_sha256, self.document_sha256)):
            raise InvalidBinding("every value has 32 bytes")

    def extension(self) -> x509.UnrecognizedExtension:
        """The private extension SIGNATURE_BINDING, whose value is a SEQUENCE of three OCTET STRINGs."""
        value = asn1.encode_der(
            _Asn1Binding(
                face_evidence_root=self.face_evidence_root,
                consent_sha256=self.consent_sha256,
                document_sha256=self.document_sha256,
            )
        )
        return x509.UnrecognizedExtension(SIGNATURE_BINDING, value)

    @classmethod
    def parse(cls, value: bytes) -> "SignatureBinding":
        """From the value of the extension. Raises InvalidBinding."""
        try:
            decoded = asn1.decode_der(_Asn1Binding, value)
        except ValueError as exc:
            raise InvalidBinding("the extension is malformed") from exc
        return cls(decoded.face_evidence_root, decoded.consent_sha256, decoded.document_sha256)


@asn1.sequence
class _Asn1Binding:
    face_evidence_root: bytes
    consent_sha256: bytes
    document_sha256: bytes


def get_signature_binding(certificate: x509.Certificate) -> SignatureBinding:
    """The binding in a signer certificate. Raises InvalidBinding where it is missing or malformed."""
    try:
        extension = certificate.extensions.get_extension_for_oid(SIGNATURE_BINDING).value
    except (x509.ExtensionNotFound, ValueError) as exc:
        raise InvalidBinding("the extension is missing or malformed") from exc
    assert isinstance(extension, x509.UnrecognizedExtension)
    return SignatureBinding.parse(extension.value)


class PortraitAssurance(StrEnum):
    """How far the portrait that the signer's face was compared with can be trusted."""

    HIGH = "high"
    """From an authoritative source."""
    LOW = "low"
    """From what the signer brought along, such as a photograph of a document."""

    def extension(self) -> x509.UnrecognizedExtension:
        """The private extension PORTRAIT_ASSURANCE, whose value is a UTF8String."""
        return x509.UnrecognizedExtension(PORTRAIT_ASSURANCE, asn1.encode_der(self.value))

    @classmethod
    def parse(cls, value: bytes) -> "PortraitAssurance":
        """From the value of the extension. Raises InvalidBinding."""
        try:
            return cls(asn1.decode_der(str, value))
        except ValueError as exc:
            raise InvalidBinding("the portrait's assurance is malformed") from exc


def find_portrait_assurance(certificate: x509.Certificate) -> PortraitAssurance | None:
    """What a signer certificate says of the portrait; None where it says nothing. Raises InvalidBinding."""
    try:
        extension = certificate.extensions.get_extension_for_oid(PORTRAIT_ASSURANCE).value
    except x509.ExtensionNotFound:
        return None
    assert isinstance(extension, x509.UnrecognizedExtension)
    return PortraitAssurance.parse(extension.value)

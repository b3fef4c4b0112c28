"""TBSCertificate (RFC 5280 §4.1) as it stands in the octets, without what they mean.

A second decoder beside that of `x509.Certificate`: strict about DER, and it costs a fraction, because it leaves
closed what its reader does not open.
"""

from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.x509.oid import ObjectIdentifier

from pki import der


@asn1.sequence
class Validity:
    not_before: asn1.UTCTime | asn1.GeneralizedTime
    not_after: asn1.UTCTime | asn1.GeneralizedTime


@asn1.sequence
class Attribute:
    """AttributeTypeAndValue, in one of the two kinds of string that RFC 5280 §4.1.2.4 wants."""

    oid: ObjectIdentifier
    value: str | asn1.PrintableString

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else self.value.as_str()


@asn1.sequence
class Extension:
    oid: ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class TbsCertificate:
    """Without the unique identifiers, which RFC 5280 §4.1.2.8 forbids."""

    version: Annotated[int, asn1.Explicit(0)]
    serial_number: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: Validity
    subject: list[asn1.SetOf[Attribute]]
    subject_public_key_info: asn1.TLV
    extensions: Annotated[asn1.TLV, asn1.Explicit(3)]
    """A SEQUENCE of at least one, for `parse_extensions`."""


@asn1.sequence
class _Extensions:
    extensions: list[Extension]


@asn1.sequence
class _AlternativeNames:
    names: list[asn1.TLV]


_KINDS_OF_NAME = {b"\x82": "DNS", b"\x86": "URI"}


def parse_tbs(octets: bytes) -> TbsCertificate:
    """Raises ValueError."""
    tbs = asn1.decode_der(TbsCertificate, octets)
    if tbs.extensions.tag_bytes != b"\x30":
        raise ValueError("the extensions are not a SEQUENCE")
    return tbs


def parse_extensions(octets: bytes) -> list[Extension]:
    """From their encodings one after the other; raises ValueError."""
    # a SEQUENCE OF is decoded as a field only
    return asn1.decode_der(_Extensions, der.sequence(der.sequence(octets))).extensions


def octets_of(value: asn1.TLV) -> bytes:
    """The whole value, with the tag and the one length that DER allows."""
    return der.tlv(value.tag_bytes[0], bytes(value.data))


def parse_alternative_names(value: bytes) -> list[tuple[str, str]]:
    """Pairs of "URI" or "DNS" and the name; raises ValueError for other kinds (RFC 5280 §4.2.1.6)."""
    names = asn1.decode_der(_AlternativeNames, der.sequence(value)).names  # a SEQUENCE OF is decoded as a field only
    try:
        return [(_KINDS_OF_NAME[name.tag_bytes], bytes(name.data).decode("ascii")) for name in names]
    except KeyError as exc:
        raise ValueError("an alternative name that is neither a URI nor a DNS name") from exc

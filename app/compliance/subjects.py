"""Certificate subjects as people read them."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

_SHOWN = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATION_IDENTIFIER)


def readable_subject(subject: str) -> str:
    """Name, organization and its identifier out of a distinguished name (RFC 4514), which spells the last as octets.

    The text itself where it is no such name.
    """
    try:
        name = x509.Name.from_rfc4514_string(subject)
    except ValueError:
        return subject
    parts = [_without_der(str(attribute.value)) for oid in _SHOWN for attribute in name.get_attributes_for_oid(oid)]
    return " · ".join(dict.fromkeys(parts)) or subject


def _without_der(value: str) -> str:
    """The text of a value that stood as the octets of a short DER string (`#0c…`, RFC 4514 §2.4)."""
    return value[2:] if value[:1] in {"\x0c", "\x13"} and len(value) == 2 + ord(value[1]) else value

"""The binding as a signed attribute: value and identifier are those of the signer certificate."""

from __future__ import annotations

from asn1crypto import core

from contracts.errors import InvalidSignature
from pki.binding import SignatureBinding
from pki.errors import InvalidBinding
from pki.profiles import SIGNATURE_BINDING

__all__ = ["BINDING_ATTRIBUTE", "SignatureBinding", "attribute_value", "parse_attribute_value"]

BINDING_ATTRIBUTE = SIGNATURE_BINDING.dotted_string


class _Octets(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.OctetString


def attribute_value(binding: SignatureBinding) -> bytes:
    """DER: SEQUENCE of the three OCTET STRINGs."""
    return binding.extension().value


def parse_attribute_value(der: bytes) -> SignatureBinding:
    """Read the attribute's value; only its one DER form is accepted. Raises InvalidSignature."""
    try:
        root, consent, document = _Octets.load(der, strict=True).native
        binding = SignatureBinding(root, consent, document)
        if attribute_value(binding) == der:
            return binding
    except (ValueError, TypeError, InvalidBinding) as exc:
        raise InvalidSignature("malformed signature-binding attribute") from exc
    raise InvalidSignature("signature-binding attribute is not DER")

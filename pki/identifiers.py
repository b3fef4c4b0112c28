"""Names that stand in certificates: unified social credit codes (GB 32100-2015) and the service's URNs."""

import re

from pki.errors import InvalidIdentifier

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015 §4: no I, O, S, V, Z
_USCC_WEIGHTS = tuple(3**i % 31 for i in range(17))  # GB 32100-2015 §5.2
_USCC_FORM = re.compile(rf"[{USCC_ALPHABET}]{{2}}[0-9]{{6}}[{USCC_ALPHABET}]{{10}}")

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
_PRODUCT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_OPAQUE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
_PRODUCT_URN = re.compile(r"urn:yunlian:enterprise:([^:]+):product:([^:]+)")


def uscc_check_digit(first17: str) -> str:
    """The 18th character of a unified social credit code (GB 32100-2015 §5.3). Raises InvalidIdentifier."""
    if len(first17) != 17 or any(character not in USCC_ALPHABET for character in first17):
        raise InvalidIdentifier("unified social credit code", "17 characters of its alphabet are needed")
    total = sum(
        USCC_ALPHABET.index(character) * weight for character, weight in zip(first17, _USCC_WEIGHTS, strict=True)
    )
    return USCC_ALPHABET[-total % 31]


def parse_uscc(text: str) -> str:
    """Return the 18 characters in upper case (GB 32100-2015). Raises InvalidIdentifier."""
    code = text.strip().upper()
    if not text.isascii() or not _USCC_FORM.fullmatch(code):
        raise InvalidIdentifier("unified social credit code", "the form is not that of GB 32100")
    if code[17] != uscc_check_digit(code[:17]):
        raise InvalidIdentifier("unified social credit code", "the check digit does not match")
    return code


def organization_identifier(uscc: str) -> str:
    """`organizationIdentifier` (2.5.4.97): national trade register, as ETSI EN 319 412-1 §5.1.4."""
    return f"NTRCN-{parse_uscc(uscc)}"


def application_urn(client_id: str) -> str:
    """Subject alternative name of an API certificate. Raises InvalidIdentifier."""
    return f"urn:yunlian:app:{_matching(_CLIENT_ID, client_id, 'client_id')}"


def product_urn(uscc: str, product: str) -> str:
    """Subject alternative name of a product certificate, `iss` of its content. Raises InvalidIdentifier."""
    return f"urn:yunlian:enterprise:{parse_uscc(uscc)}:product:{_matching(_PRODUCT, product, 'product')}"


def parse_product_urn(urn: str) -> tuple[str, str]:
    """(uscc, product) of a product URN in its one canonical form. Raises InvalidIdentifier."""
    match = _PRODUCT_URN.fullmatch(urn)
    if match is None or product_urn(match[1], match[2]) != urn:
        raise InvalidIdentifier("product URN", "not urn:yunlian:enterprise:<USCC>:product:<product>")
    return match[1], match[2]


def signature_urn(ceremony_id: str, signer_id: str) -> str:
    """Subject alternative name of a signer certificate. Raises InvalidIdentifier."""
    ceremony = _matching(_OPAQUE_ID, ceremony_id, "ceremony")
    return f"urn:yunlian:signature:{ceremony}:{_matching(_OPAQUE_ID, signer_id, 'signer')}"


def _matching(pattern: re.Pattern[str], text: str, kind: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidIdentifier(kind, "characters or length are not allowed in a URN")
    return text

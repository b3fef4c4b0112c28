"""HTTP message signatures (RFC 9421) and Content-Digest (RFC 9530), small and strict.

One signature per message, under one expected label, in the canonical form of structured fields (RFC 9651 §4.1):
what does not look exactly as a serializer writes it is refused. Component identifiers are kept in serialized
form, e.g. `"@method"` or `"signature";req;key="api"`, and so are their values.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.gateway.encoding import parse_base64
from pki import suite
from pki.errors import InvalidSignature, UnsupportedAlgorithm
from pki.keys import PrivateKey, PublicKey

MAX_FIELD = 2048  # characters of a Signature-Input or Signature field

_STRING = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_KEY = r"[a-z*][a-z0-9_.*-]*"
_COMPONENT = rf'"[!#-\[\]-~]+"(?:;{_KEY}(?:={_STRING})?)*'
_PARAMETER = rf";(?P<key>{_KEY})=(?P<value>0|-?[1-9][0-9]{{0,14}}|{_STRING})"
_INPUT = re.compile(
    rf"(?P<label>{_KEY})=(?P<params>\((?P<components>(?:{_COMPONENT}(?: {_COMPONENT})*)?)\)"
    rf"(?:;{_KEY}=(?:0|-?[1-9][0-9]{{0,14}}|{_STRING}))*)"
)
_EACH_COMPONENT = re.compile(_COMPONENT)
_EACH_PARAMETER = re.compile(_PARAMETER)
_BYTES = re.compile(rf"(?P<label>{_KEY})=:(?P<octets>[A-Za-z0-9+/=]*):")
_INTEGERS = frozenset({"created", "expires"})
_STRINGS = frozenset({"nonce", "keyid", "alg", "tag"})


class HttpSignatureError(Exception):
    """A signature, digest or field that is not what it should be. The reason is for logs."""


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a signature says about itself (RFC 9421 §2.3). Times are seconds since 1970; None: not given."""

    components: tuple[str, ...]
    text: str
    created: int | None = None
    expires: int | None = None
    nonce: str | None = None
    keyid: str | None = None
    alg: str | None = None
    tag: str | None = None


def parse_signature_input(field: str, label: str) -> SignatureInput:
    """The single member of a Signature-Input field. Raises HttpSignatureError."""
    match = _INPUT.fullmatch(field) if len(field) <= MAX_FIELD else None
    if match is None or match["label"] != label:
        raise HttpSignatureError(f"Signature-Input is not one member {label} in canonical form")
    components = tuple(_EACH_COMPONENT.findall(match["components"]))
    if len(set(components)) != len(components):
        raise HttpSignatureError("a component occurs twice")
    parameters: dict[str, int | str] = {}
    for found in _EACH_PARAMETER.finditer(match["params"], match.end("components") - match.start("params") + 1):
        _add_parameter(parameters, found["key"], found["value"])
    return SignatureInput(components, match["params"], **parameters)  # type: ignore[arg-type]


def parse_signature(field: str, label: str) -> bytes:
    """The octets of the single member of a Signature field. Raises HttpSignatureError."""
    match = _BYTES.fullmatch(field) if len(field) <= MAX_FIELD else None
    if match is None or match["label"] != label:
        raise HttpSignatureError(f"Signature is not one member {label} in canonical form")
    try:
        return parse_base64(match["octets"])
    except ValueError as exc:
        raise HttpSignatureError("Signature is not canonical base64") from exc


def signature_base(values: Mapping[str, str], signature: SignatureInput) -> bytes:
    """The signature base (RFC 9421 §2.5). `values` holds every covered component's value by its identifier.

    Raises HttpSignatureError for a component without value and for a value with line breaks or beyond ASCII.
    """
    lines = []
    for identifier in signature.components:
        value = values.get(identifier)
        if value is None:
            raise HttpSignatureError(f"the message has no {identifier}")
        if not value.isascii() or not value.replace("\t", " ").isprintable():
            raise HttpSignatureError(f"{identifier} has characters that cannot be signed")
        lines.append(f"{identifier}: {value.strip()}\n")
    return "".join((*lines, f'"@signature-params": {signature.text}')).encode()


def verify(public_key: PublicKey, signature: bytes, stated: SignatureInput, values: Mapping[str, str]) -> None:
    """Check a signature with the key's own algorithm; a stated `alg` must be that one (RFC 9421 §3.2).

    Raises HttpSignatureError.
    """
    try:
        algorithm = suite.suite_for(public_key).http_signature
        if stated.alg is not None and stated.alg != algorithm:
            raise HttpSignatureError(f"alg is not {algorithm}, the one of this key")
        suite.verify(public_key, algorithm, signature, signature_base(values, stated))
    except (InvalidSignature, UnsupportedAlgorithm) as exc:
        raise HttpSignatureError("the message signature does not verify") from exc


def sign(
    private_key: PrivateKey,
    label: str,
    components: Iterable[str],
    values: Mapping[str, str],
    parameters: Mapping[str, int | str],
) -> dict[str, str]:
    """The Signature-Input and Signature fields over `components`, with `parameters` in their order.

    Raises HttpSignatureError.
    """
    covered = tuple(components)
    text = f"({' '.join(covered)})" + "".join(f";{key}={_serialize(value)}" for key, value in parameters.items())
    base = signature_base(values, SignatureInput(covered, text))
    signature = suite.sign(private_key, suite.suite_for(private_key).http_signature, base)
    return {
        "Signature-Input": f"{label}={text}",
        "Signature": f"{label}=:{base64.b64encode(signature).decode()}:",
    }


def content_digest(content: bytes) -> str:
    """The Content-Digest field (RFC 9530 §2) with SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def verify_content_digest(field: str, content: bytes) -> None:
    """Raises HttpSignatureError unless the field is the one SHA-256 digest of the content."""
    if not hmac.compare_digest(field.encode(), content_digest(content).encode()):
        raise HttpSignatureError("Content-Digest is not the SHA-256 digest of the content")


def _add_parameter(parameters: dict[str, int | str], key: str, value: str) -> None:
    if key in parameters:
        raise HttpSignatureError(f"the parameter {key} occurs twice")
    quoted = value.startswith('"')
    if key not in (_STRINGS if quoted else _INTEGERS):
        raise HttpSignatureError(f"the parameter {key} is unknown or of the wrong type")
    if quoted:
        parameters[key] = re.sub(r"\\(.)", r"\1", value[1:-1]) if "\\" in value else value[1:-1]
    else:
        parameters[key] = int(value)


def _serialize(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

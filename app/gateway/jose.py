"""JWS and JWE in compact form, small and strict (RFC 7515, 7516, 7518, 8725).

The key decides the algorithm: a header that names any other than the one of the key's row in `pki.suite` is refused,
so `none`, HMAC with a public key and swapped curves have no way in. What was parsed but not yet proven carries
`Unverified` or `Sealed` in its name and shows its header only, for choosing a key.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.gateway.documents import InvalidJson, compact, parse_object
from app.gateway.encoding import base64url, parse_base64url
from pki import suite
from pki.errors import InvalidSignature, UnsupportedAlgorithm, WeakKey
from pki.keys import PrivateKey, PublicKey, check_public_key

_MAX_HEADER = 4096  # octets of base64url
_CEK_BYTES, _IV_BYTES, _TAG_BYTES = 32, 12, 16  # A256GCM, RFC 7518 §5.3
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
# They change what the signature covers or what the content is (RFC 7515 §4.1.11, RFC 7797, RFC 7516 §4.1.3).
_REFUSED_HEADERS = frozenset({"crit", "b64", "zip"})
_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


class JoseError(Exception):
    """A token that is not what it should be. The reason is for logs; the outside learns less."""


@dataclass(frozen=True, slots=True)
class UnverifiedJws:
    """A parsed JWS whose signature nobody has checked. Only `header` may be read, to find the key."""

    header: Mapping[str, Any]
    _payload: bytes = field(repr=False)
    _signature: bytes = field(repr=False)
    _signing_input: bytes = field(repr=False)

    def verify(self, public_key: PublicKey) -> dict[str, Any]:
        """The claims, once the signature proved good under this key and its own algorithm. Raises JoseError."""
        try:
            algorithm = suite.suite_for(public_key).jose_signature
            if self.header.get("alg") != algorithm:
                raise JoseError(f"alg is not {algorithm}, the one of this key")
            suite.verify(public_key, algorithm, self._signature, self._signing_input)
            return parse_object(self._payload)
        except (InvalidSignature, UnsupportedAlgorithm) as exc:
            raise JoseError("the JWS signature does not verify") from exc
        except InvalidJson as exc:
            raise JoseError(f"the claims are {exc.reason}") from exc


def sign_jwt(key: PrivateKey, claims: Mapping[str, Any], *, typ: str, header: Mapping[str, Any] | None = None) -> str:
    """A JWS compact serialization by the key's own algorithm; `header` adds members such as `kid`."""
    protected = {"alg": suite.suite_for(key).jose_signature, "typ": typ, **(header or {})}
    signing_input = f"{_encode(protected)}.{_encode(claims)}"
    signature = suite.sign(key, protected["alg"], signing_input.encode())
    return f"{signing_input}.{base64url(signature)}"


def parse_jws(token: str, *, typ: Collection[str | None], limit: int) -> UnverifiedJws:
    """Split a compact JWS of at most `limit` characters whose `typ` is one of those given. Raises JoseError."""
    protected, payload, signature = _split(token, 3, limit)
    header = _parse_signed_header(protected)
    if header.get("typ") not in typ:
        raise JoseError("typ is not the expected one")
    return UnverifiedJws(
        header=header,
        _payload=_octets(payload),
        _signature=_octets(signature),
        _signing_input=f"{protected}.{payload}".encode(),
    )


@dataclass(frozen=True, slots=True)
class SealedJwe:
    """A parsed JWE that nobody has opened. Only `header` may be read, to find the key."""

    header: Mapping[str, Any]
    _aad: bytes = field(repr=False)
    _encrypted_key: bytes = field(repr=False)
    _iv: bytes = field(repr=False)
    _ciphertext: bytes = field(repr=False)
    _tag: bytes = field(repr=False)

    def open(self, private_key: PrivateKey) -> bytes:
        """The plaintext. Raises JoseError, with nothing that tells one failed step from another."""
        algorithms = suite.suite_for(private_key).jose_encryption
        if algorithms is None or (self.header.get("alg"), self.header.get("enc")) != (
            algorithms.alg,
            algorithms.enc,
        ):
            raise JoseError("alg and enc are not the ones of this key")
        content_key = self._content_key(private_key)
        try:
            return AESGCM(content_key).decrypt(self._iv, self._ciphertext + self._tag, self._aad)
        except InvalidTag as exc:
            raise JoseError("the JWE does not open") from exc

    def _content_key(self, private_key: PrivateKey) -> bytes:
        match private_key:
            case ec.EllipticCurvePrivateKey():
                if self._encrypted_key:  # RFC 7518 §4.6: direct key agreement has none
                    raise JoseError("an encrypted key beside direct key agreement")
                ephemeral = _parse_ephemeral(self.header.get("epk"), private_key.curve)
                parties = _octets(self.header.get("apu", "")), _octets(self.header.get("apv", ""))
                return _concat_kdf(private_key.exchange(ec.ECDH(), ephemeral), *parties)
            case rsa.RSAPrivateKey():
                # RFC 7516 §11.5: go on with a random key, so that a bad padding looks like a bad tag.
                fallback = secrets.token_bytes(_CEK_BYTES)
                try:
                    content_key = private_key.decrypt(self._encrypted_key, _OAEP)
                except ValueError:
                    return fallback
                return content_key if len(content_key) == _CEK_BYTES else fallback
        raise JoseError("the key does not decrypt")


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A content key that one recipient can come by from the header. Whatever it seals has an IV of its own."""

    _header: str
    _encrypted_key: str
    _cipher: AESGCM = field(repr=False)

    def seal(self, plaintext: bytes) -> str:
        """A JWE compact serialization."""
        iv = secrets.token_bytes(_IV_BYTES)
        sealed = self._cipher.encrypt(iv, plaintext, self._header.encode())
        parts = map(base64url, (iv, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]))
        return ".".join((self._header, self._encrypted_key, *parts))


def encrypt(plaintext: bytes, public_key: PublicKey, *, kid: str, cty: str) -> str:
    """A JWE compact serialization to the key, by its row. Raises UnsupportedAlgorithm for a key that only signs."""
    return make_sealing_key(public_key, kid=kid, cty=cty).seal(plaintext)


def make_sealing_key(public_key: PublicKey, *, kid: str, cty: str) -> SealingKey:
    """A fresh content key for the key's holder. Raises UnsupportedAlgorithm for a key that only signs."""
    algorithms = suite.suite_for(public_key).jose_encryption
    if algorithms is None:
        raise UnsupportedAlgorithm("a key that only signs")
    protected: dict[str, Any] = {"alg": algorithms.alg, "enc": algorithms.enc, "kid": kid, "cty": cty}
    encrypted_key = b""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        ephemeral = ec.generate_private_key(public_key.curve)
        protected["epk"] = public_jwk(ephemeral.public_key())
        content_key = _concat_kdf(ephemeral.exchange(ec.ECDH(), public_key), b"", b"")
    else:
        assert isinstance(public_key, rsa.RSAPublicKey)
        content_key = secrets.token_bytes(_CEK_BYTES)
        encrypted_key = public_key.encrypt(content_key, _OAEP)
    return SealingKey(_encode(protected), base64url(encrypted_key), AESGCM(content_key))


def parse_jwe(token: str, *, limit: int) -> SealedJwe:
    """Split and bound a compact JWE of at most `limit` characters. Raises JoseError."""
    protected, *parts = _split(token, 5, limit)
    header = _parse_header(protected)
    encrypted_key, iv, ciphertext, tag = map(_octets, parts)
    if len(iv) != _IV_BYTES or len(tag) != _TAG_BYTES:
        raise JoseError("the initialization vector or the tag has a wrong length")
    return SealedJwe(header, protected.encode(), encrypted_key, iv, ciphertext, tag)


def public_jwk(key: PublicKey) -> dict[str, str]:
    """The public members of a JWK (RFC 7518 §6, RFC 8037 §2)."""
    match key:
        case ec.EllipticCurvePublicKey():
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            half = len(point) // 2 + 1
            return {
                "kty": "EC",
                "crv": suite.key_kind(key),
                "x": base64url(point[1:half]),
                "y": base64url(point[half:]),
            }
        case rsa.RSAPublicKey():
            public = key.public_numbers()
            modulus, exponent = (
                number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (public.n, public.e)
            )
            return {"kty": "RSA", "n": base64url(modulus), "e": base64url(exponent)}
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_bytes_raw())}


def parse_public_jwk(jwk: object) -> PublicKey:
    """The key of a public JWK, if it is one of the suite's. Raises JoseError, also where a private member is shown."""
    members = _public_members(jwk)
    try:
        match members.get("kty"), members.get("crv"):
            case "EC", ("P-256" | "P-384") as name:
                return _parse_point(members, _CURVES[name])
            case "OKP", "Ed25519":
                return check_public_key(ed25519.Ed25519PublicKey.from_public_bytes(_octets(members.get("x"))))
            case "RSA", None:
                modulus, exponent = (int.from_bytes(_octets(members.get(name)), "big") for name in ("n", "e"))
                return check_public_key(rsa.RSAPublicNumbers(exponent, modulus).public_key())
    except (ValueError, WeakKey) as exc:
        raise JoseError("the JWK is not a good key") from exc
    raise JoseError("the JWK is of no kind of key that is accepted")


def thumbprint(jwk: object) -> str:
    """base64url SHA-256 of the required members of a JWK (RFC 7638 §3). Raises JoseError."""
    members = _public_members(jwk)
    names = _THUMBPRINT_MEMBERS.get(str(members.get("kty")))
    if names is None or not all(isinstance(members.get(name), str) for name in names):
        raise JoseError("the JWK is of no kind of key that is accepted")
    text = json.dumps({name: members[name] for name in names}, separators=(",", ":"))
    return base64url(hashlib.sha256(text.encode()).digest())


def _public_members(jwk: object) -> dict[str, Any]:
    if not isinstance(jwk, dict) or _PRIVATE_MEMBERS & jwk.keys():
        raise JoseError("not a public JWK")
    return jwk


def _parse_ephemeral(jwk: object, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    members = _public_members(jwk)
    named = _CURVES.get(str(members.get("crv")))
    if members.get("kty") != "EC" or named is None or named.name != curve.name:
        raise JoseError("epk is not on the curve of this key")
    try:
        return _parse_point(members, curve)
    except ValueError as exc:
        raise JoseError("epk is not a point of the curve") from exc


def _parse_point(members: Mapping[str, Any], curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    size = (curve.key_size + 7) // 8
    x, y = _octets(members.get("x")), _octets(members.get("y"))
    if len(x) != size or len(y) != size:
        raise JoseError("a coordinate of the JWK has a wrong length")
    # An invalid point would leak the private key in key agreement; from_encoded_point checks the curve's equation.
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)


def _concat_kdf(shared_secret: bytes, party_u: bytes, party_v: bytes) -> bytes:
    """RFC 7518 §4.6.2 with AlgorithmID `A256GCM`, because the agreement is direct."""
    fields = b"".join([len(part).to_bytes(4, "big") + part for part in (b"A256GCM", party_u, party_v)])
    other_info = fields + (_CEK_BYTES * 8).to_bytes(4, "big")
    # A key as long as the hash is the first round alone (NIST SP 800-56A §5.8.2.1).
    return hashlib.sha256(b"\0\0\0\1" + shared_secret + other_info).digest()


def _split(token: str, parts: int, limit: int) -> list[str]:
    if len(token) > limit:
        raise JoseError("the token is too long")
    pieces = token.split(".")
    if len(pieces) != parts or len(pieces[0]) > _MAX_HEADER:
        raise JoseError("not a compact serialization")
    return pieces


def _parse_header(protected: str) -> dict[str, Any]:
    try:
        header = parse_object(_octets(protected))
    except InvalidJson as exc:
        raise JoseError(f"the header is {exc.reason}") from exc
    if refused := _REFUSED_HEADERS & header.keys():
        raise JoseError(f"the header parameter {min(refused)} is refused")
    return header


@lru_cache(maxsize=1024)
def _parse_signed_header(protected: str) -> Mapping[str, Any]:
    """Whoever signs says the same in every header; whoever encrypts has a new key in each."""
    return MappingProxyType(_parse_header(protected))


def _octets(text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise ValueError("not a string")
        return parse_base64url(text)
    except ValueError as exc:
        raise JoseError("a part is not base64url") from exc


def _encode(members: Mapping[str, Any]) -> str:
    return base64url(compact(members).encode())

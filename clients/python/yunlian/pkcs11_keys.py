"""Private keys that stay in a PKCS #11 token, named by a URI (RFC 7512). They need `pip install yunlian[pkcs11]`.

    pkcs11:token=yunlian;object=product-sign?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/yunlian/pin

EC P-256 and P-384 keys and RSA keys sign; keys that open sealed answers are files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SCHEME = "pkcs11:"
_CURVES: dict[str, ec.EllipticCurve] = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}


def load_token_key(uri: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """The key that a URI names. Raises ValueError, for every fault of the URI, the token or the PIN."""
    try:
        import pkcs11  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise ValueError("keys in a token need python-pkcs11: pip install yunlian[pkcs11]") from exc
    attributes = parse_uri(uri)
    try:
        token = pkcs11.lib(attributes["module-path"]).get_token(token_label=attributes["token"])
        pin = Path(attributes["pin-source"].removeprefix("file:")).read_text().strip()
        session = token.open(user_pin=pin)
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=attributes["object"])
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=attributes["object"])
        return _wrap(pkcs11, private, public)
    except (RuntimeError, OSError) as exc:  # PKCS11Error is a RuntimeError
        raise ValueError(f"the token does not give the key: {type(exc).__name__}") from exc


def parse_uri(uri: str) -> dict[str, str]:
    """The attributes of the URI. Raises ValueError unless token, object, module-path and pin-source are all there."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    pairs = [piece.partition("=") for piece in (*path.split(";"), *query.split("&")) if piece]
    attributes = {name: unquote(value) for name, _, value in pairs}
    missing = {"token", "object", "module-path", "pin-source"} - {name for name, value in attributes.items() if value}
    if not uri.startswith(SCHEME) or missing:
        raise ValueError(f"not a PKCS #11 URI with {', '.join(sorted(missing)) or 'its scheme'}")
    return attributes


class _StaysInTheToken:
    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self

    def private_numbers(self) -> NoReturn:
        raise ValueError("the key stays in its token")

    def private_bytes(self, *_: object) -> NoReturn:
        raise ValueError("the key stays in its token")


class TokenEcKey(_StaysInTheToken, ec.EllipticCurvePrivateKey):
    """An EC key of a token as pyca/cryptography's interface; `sign_digest` gives r || s."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign_digest: Callable[[bytes], bytes]) -> None:
        self._public_key = public_key
        self._sign_digest = sign_digest

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        digest = signature_algorithm.algorithm
        assert isinstance(digest, hashes.HashAlgorithm)
        pair = self._sign_digest(hashlib.new(digest.name, data).digest())
        half = len(pair) // 2
        return encode_dss_signature(int.from_bytes(pair[:half]), int.from_bytes(pair[half:]))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise ValueError("a key in a token signs only")


class TokenRsaKey(_StaysInTheToken, rsa.RSAPrivateKey):
    """An RSA key of a token; PSS with a salt as long as the digest, as the protocol's table has it."""

    def __init__(self, public_key: rsa.RSAPublicKey, sign_pss: Callable[[bytes, str], bytes]) -> None:
        self._public_key = public_key
        self._sign_pss = sign_pss

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(self, data: Any, padding: padding.AsymmetricPadding, algorithm: Any) -> bytes:
        return self._sign_pss(bytes(data), algorithm.name.upper())

    def decrypt(self, ciphertext: Any, padding: padding.AsymmetricPadding) -> NoReturn:
        raise ValueError("a key in a token signs only")


def _wrap(pkcs11: Any, private: Any, public: Any) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    attribute, mechanism = pkcs11.Attribute, pkcs11.Mechanism
    if public.key_type is pkcs11.KeyType.RSA:
        modulus, exponent = (int.from_bytes(public[name]) for name in (attribute.MODULUS, attribute.PUBLIC_EXPONENT))

        def sign_pss(data: bytes, digest: str) -> bytes:
            parameters = (mechanism[digest], pkcs11.MGF[digest], hashlib.new(digest).digest_size)
            signed: bytes = private.sign(
                data, mechanism=mechanism[f"{digest}_RSA_PKCS_PSS"], mechanism_param=parameters
            )
            return signed

        return TokenRsaKey(rsa.RSAPublicNumbers(exponent, modulus).public_key(), sign_pss)
    if public.key_type is pkcs11.KeyType.EC:
        point = bytes(public[attribute.EC_POINT])[2:]  # in a short OCTET STRING
        curve = next((curve for curve in _CURVES.values() if len(point) == 1 + 2 * ((curve.key_size + 7) // 8)), None)
        if curve is not None:
            key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
            return TokenEcKey(key, lambda digest: bytes(private.sign(digest, mechanism=mechanism.ECDSA)))
    raise ValueError("the token's key is not EC P-256, EC P-384 or RSA")

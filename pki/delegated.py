"""Private keys whose signatures are made elsewhere, in a token.

The classes implement pyca/cryptography's interfaces, so that every builder of that library signs with them.
They know the public half alone: whatever would need the private one raises UnsupportedAlgorithm.
"""

from collections.abc import Callable
from typing import NoReturn, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from pki.errors import UnsupportedAlgorithm


class _StaysWhereItIs:
    """What all such keys share: a copy is the key itself, and the private half is out of reach."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def private_numbers(self) -> NoReturn:
        raise UnsupportedAlgorithm("the private key does not leave its place")

    def private_bytes(self, *_: object) -> NoReturn:
        raise UnsupportedAlgorithm("the private key does not leave its place")

    def private_bytes_raw(self) -> NoReturn:
        raise UnsupportedAlgorithm("the private key does not leave its place")


class DelegatedEcKey(_StaysWhereItIs, ec.EllipticCurvePrivateKey):
    """`sign(data, digest)` returns a DER ECDSA-Sig-Value (RFC 3279 §2.2.3), `agree(peer)` the shared x coordinate."""

    def __init__(
        self,
        public_key: ec.EllipticCurvePublicKey,
        sign: Callable[[bytes, hashes.HashAlgorithm], bytes],
        agree: Callable[[ec.EllipticCurvePublicKey], bytes],
    ) -> None:
        self._public_key = public_key
        self._sign = sign
        self._agree = agree

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(self, data: object, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        digest = signature_algorithm.algorithm
        if isinstance(digest, Prehashed):
            raise UnsupportedAlgorithm("a digest instead of the data")
        return self._sign(_octets(data), digest)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        if peer_public_key.curve.name != self.curve.name:
            raise UnsupportedAlgorithm("a key agreement across curves")
        return self._agree(peer_public_key)


class DelegatedRsaKey(_StaysWhereItIs, rsa.RSAPrivateKey):
    """`sign(data, padding, digest)` returns the signature (RFC 8017 §8)."""

    def __init__(
        self,
        public_key: rsa.RSAPublicKey,
        sign: Callable[[bytes, AsymmetricPadding, hashes.HashAlgorithm], bytes],
    ) -> None:
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(
        self, data: object, padding: AsymmetricPadding, algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo
    ) -> bytes:
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise UnsupportedAlgorithm("a digest instead of the data")
        return self._sign(_octets(data), padding, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> NoReturn:
        raise UnsupportedAlgorithm("decryption with a key that signs")


class DelegatedEd25519Key(_StaysWhereItIs, ed25519.Ed25519PrivateKey):
    """`sign(data)` returns the 64 bytes of RFC 8032 §5.1.6."""

    def __init__(self, public_key: ed25519.Ed25519PublicKey, sign: Callable[[bytes], bytes]) -> None:
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public_key

    def sign(self, data: object) -> bytes:
        return self._sign(_octets(data))


def _octets(data: object) -> bytes:
    return data if isinstance(data, bytes) else bytes(memoryview(data))  # type: ignore[arg-type]

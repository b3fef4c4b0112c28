"""Key types, generation, and the refusal of weak public keys."""

import hashlib
from enum import StrEnum
from functools import lru_cache

from badkeys.checks import checkrsa  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.errors import WeakKey

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
"""Also satisfied by a token's key: any class that implements one of these interfaces signs everywhere."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class KeyType(StrEnum):
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    ED25519 = "ed25519"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"


_RSA_PUBLIC_EXPONENT = 65537
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}
_RSA_MINIMUM_BITS = 2048
_RSA_MAXIMUM_BITS = 8192  # a longer modulus only buys its sender our CPU time

# badkeys' checks that need no download, by name: its default list ends the process where no blocklist is installed.
_KNOWN_WEAKNESSES = {
    "rsainvalid": "its numbers are not those of an RSA key",
    "smallfactors": "the modulus has a small factor",
    "fermat": "the modulus is the product of two close primes",
    "roca": "it was made by the Infineon library of CVE-2017-15361 (ROCA)",
    "sharedprimes": "its primes are known from other keys",
    "rsapoly": "the modulus can be factored as a polynomial",
    "rsabias": "the bits of the modulus are not random",
    "pattern": "the modulus repeats itself",
    "xzbackdoor": "the modulus is the payload of CVE-2024-3094",
}

# SubjectPublicKeyInfo up to the coordinates (RFC 5480 §2), and the curve y² = x³ − 3x + b mod p (SP 800-186 §3.2.1.3)
_P256_SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B

# The encodings, sign bit cleared, of the points of small order on edwards25519 (the last two are not even
# canonical). Under such a key anybody's signature verifies: Chalkias et al., "Taming the many EdDSAs", §2.
_ED25519_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def generate(key_type: KeyType) -> PrivateKey:
    """A fresh private key from the system's random source."""
    match key_type:
        case KeyType.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(_RSA_PUBLIC_EXPONENT, _RSA_BITS[key_type])


def check_public_key(key: object) -> PublicKey:
    """Return `key` as one that may be certified: EC P-256 or P-384, Ed25519, sound RSA of 2048 to 8192 bits.

    Raises WeakKey. That an EC point lies on its curve was already checked where the key was parsed.
    """
    match key:
        case ec.EllipticCurvePublicKey():
            if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
                raise WeakKey(f"the curve {key.curve.name} is not P-256 or P-384")
            return key
        case ed25519.Ed25519PublicKey():
            _check_ed25519(key)
            return key
        case rsa.RSAPublicKey():
            _check_rsa(key)
            return key
    raise WeakKey("the key type is not EC, Ed25519 or RSA")


def load_spki(der: bytes) -> PublicKey:
    """A public key from the DER SubjectPublicKeyInfo that a browser exports. Raises WeakKey."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise WeakKey("it is not a SubjectPublicKeyInfo") from exc
    return check_public_key(key)


def is_p256_spki(der: bytes) -> bool:
    """Whether these octets hold an uncompressed point on P-256 (SEC 1 §2.3.4, §3.2.2.1).

    Says no more than `load_spki` does, for a third of its cost: no key is made for OpenSSL to use.
    """
    if len(der) != 91 or not der.startswith(_P256_SPKI_HEAD):
        return False
    x, y = int.from_bytes(der[27:59]), int.from_bytes(der[59:])
    return x < _P256_P and y < _P256_P and (y * y - (x * x - 3) * x - _P256_B) % _P256_P == 0


def encode_spki(public_key: PublicKey) -> bytes:
    """The DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7)."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_sha256(public_key: PublicKey) -> bytes:
    """SHA-256 over the DER SubjectPublicKeyInfo: 32 bytes that name a key."""
    return hashlib.sha256(encode_spki(public_key)).digest()


def public_key_bits(spki: bytes) -> bytes:
    """The subjectPublicKey BIT STRING without tag, length and count of unused bits: what RFC 5280 and 6960 hash."""
    return asn1.decode_der(_SubjectPublicKeyInfo, spki).subject_public_key.as_bytes()


def key_identifier(spki: bytes) -> bytes:
    """Method 1 of RFC 5280 §4.2.1.2: SHA-1, which names a key here and protects nothing."""
    return hashlib.sha1(public_key_bits(spki), usedforsecurity=False).digest()


@asn1.sequence
class _SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


def _check_ed25519(key: ed25519.Ed25519PublicKey) -> None:
    raw = key.public_bytes_raw()
    if raw[:31] + bytes([raw[31] & 0x7F]) in _ED25519_SMALL_ORDER:
        raise WeakKey("the Ed25519 point has a small order")


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    if not _RSA_MINIMUM_BITS <= key.key_size <= _RSA_MAXIMUM_BITS:
        raise WeakKey(f"RSA of {key.key_size} bits, not {_RSA_MINIMUM_BITS} to {_RSA_MAXIMUM_BITS}")
    numbers = key.public_numbers()
    # Baseline Requirements §6.1.6: an odd exponent from 2^16 + 1 to 2^256 − 1, and so none
    # whose private exponent is short enough for Wiener's attack
    if not (numbers.e % 2 and _RSA_PUBLIC_EXPONENT <= numbers.e < 2**256):
        raise WeakKey("the RSA exponent is even or not between 65537 and 2^256")
    weakness = _find_rsa_weakness(numbers.n, numbers.e)
    if weakness is not None:
        raise WeakKey(weakness)


@lru_cache(maxsize=4096)
def _find_rsa_weakness(modulus: int, exponent: int) -> str | None:
    """Baseline Requirements §6.1.1.3: keys with a publicly known weakness. Half a millisecond, hence remembered."""
    found = checkrsa(modulus, e=exponent, checks=_KNOWN_WEAKNESSES)
    return next((f"{check}: {_KNOWN_WEAKNESSES[check]}" for check in found), None)

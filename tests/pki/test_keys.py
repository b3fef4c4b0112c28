import math
import pickle
import secrets
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from pki import errors, keys
from pki.errors import WeakKey
from pki.keys import KeyType

P = 2**255 - 19
P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
D = -121665 * pow(121666, -1, P) % P


def rsa_key(n: int, e: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(e, n).public_key()


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048])
def test_generated_keys_pass_the_check(key_type: KeyType) -> None:
    public_key = keys.generate(key_type).public_key()
    assert keys.check_public_key(public_key) is public_key
    assert len(keys.spki_sha256(public_key)) == 32


def test_other_key_types_and_curves_are_refused() -> None:
    for weak in (
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ec.generate_private_key(ec.SECP521R1()).public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
        rsa.generate_private_key(65537, 1536).public_key(),  # noqa: S505
        "not a key",
    ):
        with pytest.raises(WeakKey):
            keys.check_public_key(weak)


ROCA_MODULUS = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6  # of badkeys.rsakeys.roca
SMALL_FACTORS = math.factorial(65537)


def sound_otherwise(moduli: Iterable[int]) -> int:
    """The first without a small factor, which would be found first."""
    return next(n for n in moduli if math.gcd(n, SMALL_FACTORS) == 1)


KNOWN_WEAK = {
    "smallfactors": 751 * (2**2100 + 1),
    "fermat": sound_otherwise(p * (p + 8) for p in range(2**1030 + 1, 2**1031, 2)),
    "roca": sound_otherwise(k * ROCA_MODULUS + pow(65537, 4711, ROCA_MODULUS) for k in range(2**1900, 2**1901)),
    "rsabias": sound_otherwise(2**2100 - k for k in range(1, 2**20, 2)),
    "pattern": sound_otherwise(
        int.from_bytes(b"\xc1" + b"\x42" * 30 + secrets.token_bytes(230)) | 1 for _ in range(2**20)
    ),
}


@pytest.mark.parametrize("weakness", KNOWN_WEAK)
def test_known_weak_rsa_moduli_are_refused(weakness: str) -> None:
    with pytest.raises(WeakKey, match=weakness):
        keys.check_public_key(rsa_key(KNOWN_WEAK[weakness]))


def test_rsa_outside_the_sizes_is_refused() -> None:
    good = keys.generate(KeyType.RSA_2048).public_key()
    assert isinstance(good, rsa.RSAPublicKey)
    n = good.public_numbers().n
    # an exponent this long would be needed for a private one short enough for Wiener's attack
    for weak in (rsa_key(n, 3), rsa_key(n, 2**1900 + 1), rsa_key(2**8200 + 1)):
        with pytest.raises(WeakKey):
            keys.check_public_key(weak)


def test_ed25519_points_of_small_order_are_refused() -> None:
    for y in torsion_ordinates():
        for sign in (0, 0x80):
            raw = bytearray(y.to_bytes(32, "little"))
            raw[31] |= sign
            with pytest.raises(WeakKey):
                keys.check_public_key(ed25519.Ed25519PublicKey.from_public_bytes(bytes(raw)))


def torsion_ordinates() -> set[int]:
    """The y coordinates of all points P with 8P = O: random points multiplied by the prime order."""
    order = 2**252 + 27742317777372353535851937790883648493
    found: set[int] = set()
    y = 2
    while len(found) < 5:
        y += 1
        x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        if pow(x2, (P - 1) // 2, P) != 1:
            continue
        x = pow(x2, (P + 3) // 8, P)
        if x * x % P != x2:
            x = x * pow(2, (P - 1) // 4, P) % P
        point, result, scalar = (x, y), (0, 1), order
        while scalar:
            if scalar & 1:
                result = add(result, point)
            point, scalar = add(point, point), scalar >> 1
        found.add(result[1])
    return found


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    t = D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + t, -1, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P


def test_every_error_survives_pickling_and_has_its_own_code() -> None:
    family = [errors.PkiError]
    for cls in family:
        family.extend(cls.__subclasses__())
    assert len({cls.code for cls in family}) == len(family)
    for cls in family:
        error = cls("a", "b", "c")
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert (type(again), str(again), again.args) == (cls, str(error), error.args)


@given(st.integers(0, 91 * 8 - 1))
def test_a_p256_point_is_told_from_its_octets_as_openssl_tells_it(bit: int) -> None:
    spki = bytearray(keys.encode_spki(P256))
    assert keys.is_p256_spki(bytes(spki))
    spki[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WeakKey):
        keys.load_spki(bytes(spki))
    assert not keys.is_p256_spki(bytes(spki))


def test_other_keys_and_points_beyond_the_field_are_not_p256() -> None:
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    spki = keys.encode_spki(P256)
    y = pow(b, (p + 1) // 4, p).to_bytes(32)  # p ≡ 3 mod 4, so this is a square root of b: the point with x = 0
    assert keys.is_p256_spki(spki[:27] + bytes(32) + y)
    for other in (
        spki[:27] + p.to_bytes(32) + y,
        spki[:27] + bytes(64),
        spki + b"\0",
        keys.encode_spki(keys.generate(KeyType.EC_P384).public_key()),
    ):
        assert not keys.is_p256_spki(other)

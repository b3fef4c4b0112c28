import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from pki import keys, suite
from pki.errors import InvalidSignature, UnsupportedAlgorithm
from pki.keys import KeyType
from pki.ports import PrivateKey

KEYS = {t: keys.generate(t) for t in (KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048)}
ALL = {
    name
    for key in KEYS.values()
    for row in [suite.suite_for(key.public_key())]
    for name in (row.jose_signature, row.http_signature)
}


def jwk(key: PrivateKey) -> ECKey | OKPKey | RSAKey:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kind = {"RSA": RSAKey, "Ed25519": OKPKey}.get(suite.key_kind(key), ECKey)
    return kind.import_key(pem)


@pytest.mark.parametrize("key_type", KEYS)
def test_signatures_verify_and_only_under_the_row_of_their_key(key_type: KeyType) -> None:
    key, data = KEYS[key_type], b"payment"
    row = suite.suite_for(key.public_key())
    for algorithm in (row.jose_signature, row.http_signature):
        signature = suite.sign(key, algorithm, data)
        suite.verify(key.public_key(), algorithm, signature, data)
        with pytest.raises(InvalidSignature):
            suite.verify(key.public_key(), algorithm, signature, data + b"!")
    for foreign in (ALL | {"none", "HS256", "RS256"}) - {row.jose_signature, row.http_signature}:
        with pytest.raises(UnsupportedAlgorithm):
            suite.sign(key, foreign, data)
        with pytest.raises(UnsupportedAlgorithm):
            suite.verify(key.public_key(), foreign, b"", data)


@pytest.mark.parametrize("key_type", KEYS)
def test_jose_signatures_agree_with_joserfc(key_type: KeyType) -> None:
    key = KEYS[key_type]
    algorithm = suite.suite_for(key.public_key()).jose_signature
    token = jws.serialize_compact({"alg": algorithm}, b"content", jwk(key), algorithms=[algorithm])
    signed, _, encoded = token.rpartition(".")
    suite.verify(key.public_key(), algorithm, urlsafe_b64decode(encoded.encode()), signed.encode())

    ours = urlsafe_b64encode(suite.sign(key, algorithm, signed.encode())).decode()
    assert jws.deserialize_compact(f"{signed}.{ours}", jwk(key), algorithms=[algorithm]).payload == b"content"


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_signature(signature: bytes) -> None:
    for key in KEYS.values():
        row = suite.suite_for(key.public_key())
        for algorithm in (row.jose_signature, row.http_signature):
            with pytest.raises(InvalidSignature):
                suite.verify(key.public_key(), algorithm, signature, b"data")


def test_an_ecdsa_signature_has_one_length() -> None:
    key = KEYS[KeyType.EC_P256]
    signature = suite.sign(key, "ES256", b"data")
    assert len(signature) == 64
    longer = b"\0" + signature[:32] + b"\0" + signature[32:]
    with pytest.raises(InvalidSignature):
        suite.verify(key.public_key(), "ES256", longer, b"data")


def test_ed25519_is_offered_no_encryption() -> None:
    assert suite.suite_for(KEYS[KeyType.ED25519].public_key()).jose_encryption is None
    rsa_row = suite.suite_for(KEYS[KeyType.RSA_2048].public_key())
    assert rsa_row.jose_encryption == suite.JoseEncryption("RSA-OAEP-256", "A256GCM")

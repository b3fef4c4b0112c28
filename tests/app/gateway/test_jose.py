"""joserfc, an independent implementation, is the oracle in both directions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.gateway.encoding import base64url
from app.gateway.jose import JoseError, encrypt, parse_jwe, parse_jws, public_jwk, sign_jwt
from pki.errors import UnsupportedAlgorithm
from pki.keys import KeyType, PrivateKey, generate

KEYS = {kind: generate(kind) for kind in (KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048)}
OTHERS = {kind: generate(kind) for kind in KEYS}
SIGNATURES = {
    KeyType.EC_P256: "ES256",
    KeyType.EC_P384: "ES384",
    KeyType.ED25519: "EdDSA",
    KeyType.RSA_2048: "PS256",
}
ENCRYPTIONS = {KeyType.EC_P256: "ECDH-ES", KeyType.EC_P384: "ECDH-ES", KeyType.RSA_2048: "RSA-OAEP-256"}
CLAIMS = st.dictionaries(st.text(max_size=20), st.text(max_size=50) | st.integers() | st.booleans(), max_size=5)
LIMIT = 20_000
fixed_keys = settings(max_examples=40)


def _joserfc(key: PrivateKey) -> Any:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    family = {ec.EllipticCurvePrivateKey: ECKey, rsa.RSAPrivateKey: RSAKey}
    return next((made for kind, made in family.items() if isinstance(key, kind)), OKPKey).import_key(pem)


@pytest.mark.parametrize("kind", SIGNATURES)
@given(claims=CLAIMS)
@fixed_keys
def test_joserfc_verifies_what_we_sign(kind: KeyType, claims: dict) -> None:
    token = sign_jwt(KEYS[kind], claims, typ="t", header={"kid": "k"})
    checked = jws.deserialize_compact(token, _joserfc(KEYS[kind]), algorithms=[SIGNATURES[kind]])
    assert json.loads(checked.payload) == claims
    assert checked.headers() == {"alg": SIGNATURES[kind], "typ": "t", "kid": "k"}


@pytest.mark.parametrize("kind", SIGNATURES)
@given(claims=CLAIMS)
@fixed_keys
def test_we_verify_what_joserfc_signs(kind: KeyType, claims: dict) -> None:
    header = {"alg": SIGNATURES[kind], "typ": "t"}
    token = jws.serialize_compact(header, json.dumps(claims), _joserfc(KEYS[kind]), algorithms=[SIGNATURES[kind]])
    unverified = parse_jws(token, typ={"t"}, limit=LIMIT)
    assert unverified.verify(KEYS[kind].public_key()) == claims
    for other in (*OTHERS.values(), *(key for name, key in KEYS.items() if name != kind)):
        with pytest.raises(JoseError):
            unverified.verify(other.public_key())


@given(claims=CLAIMS, data=st.data())
@settings(max_examples=300)
def test_no_character_of_a_token_can_be_changed(claims: dict, data: st.DataObject) -> None:
    token = sign_jwt(KEYS[KeyType.EC_P256], claims, typ="t")
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda c: c != token[place]))
    with pytest.raises(JoseError):
        parse_jws(token[:place] + character + token[place + 1 :], typ={"t"}, limit=LIMIT).verify(
            KEYS[KeyType.EC_P256].public_key()
        )


@pytest.mark.parametrize("kind", ENCRYPTIONS)
@given(plaintext=st.binary(max_size=2000))
@fixed_keys
def test_joserfc_opens_what_we_seal(kind: KeyType, plaintext: bytes) -> None:
    token = encrypt(plaintext, KEYS[kind].public_key(), kid="k", cty="json")
    opened = jwe.decrypt_compact(token, _joserfc(KEYS[kind]), algorithms=[ENCRYPTIONS[kind], "A256GCM"])
    assert opened.plaintext == plaintext


@pytest.mark.parametrize("kind", ENCRYPTIONS)
@given(
    plaintext=st.binary(max_size=2000),
    parties=st.none() | st.tuples(st.binary(max_size=40), st.binary(max_size=40)),
)
@fixed_keys
def test_we_open_what_joserfc_seals(kind: KeyType, plaintext: bytes, parties: tuple[bytes, bytes] | None) -> None:
    header = {"alg": ENCRYPTIONS[kind], "enc": "A256GCM"}
    if parties and ENCRYPTIONS[kind] == "ECDH-ES":
        header |= {"apu": base64url(parties[0]), "apv": base64url(parties[1])}
    token = jwe.encrypt_compact(header, plaintext, _joserfc(KEYS[kind]), algorithms=[ENCRYPTIONS[kind], "A256GCM"])
    sealed = parse_jwe(token, limit=LIMIT)
    assert sealed.open(KEYS[kind]) == plaintext
    for other in (*OTHERS.values(), *(key for name, key in KEYS.items() if name != kind)):
        with pytest.raises(JoseError):
            sealed.open(other)


@pytest.mark.parametrize("kind", ENCRYPTIONS)
@given(data=st.data())
@settings(max_examples=150)
def test_no_character_of_a_jwe_can_be_changed(kind: KeyType, data: st.DataObject) -> None:
    token = encrypt(b"an amount", KEYS[kind].public_key(), kid="k", cty="json")
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda c: c != token[place]))
    with pytest.raises(JoseError):
        parse_jwe(token[:place] + character + token[place + 1 :], limit=LIMIT).open(KEYS[kind])


def _token(header: dict[str, Any] | bytes, payload: bytes = b"{}", signature: bytes = b"") -> str:
    octets = header if isinstance(header, bytes) else json.dumps(header).encode()
    return ".".join(map(base64url, (octets, payload, signature)))


def _resigned(header: dict[str, Any], payload: bytes = b"{}") -> str:
    """Correctly signed by the P-256 key, so that only the header or payload is at fault."""
    from pki import suite

    signing_input = f"{base64url(json.dumps(header).encode())}.{base64url(payload)}"
    return f"{signing_input}.{base64url(suite.sign(KEYS[KeyType.EC_P256], 'ES256', signing_input.encode()))}"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        _token({"alg": "none", "typ": "t"}),
        _token({"alg": "HS256", "typ": "t"}),
        _token(b"not json"),
        _token(b'{"alg":"ES256","alg":"ES256","typ":"t"}'),
        _resigned({"alg": "ES256", "typ": "other"}),
        _resigned({"alg": "ES256"}),
        _resigned({"alg": "ES384", "typ": "t"}),
        _resigned({"alg": "ES256", "typ": "t", "crit": ["exp"]}),
        _resigned({"alg": "ES256", "typ": "t", "crit": []}),
        _resigned({"alg": "ES256", "typ": "t", "b64": False}),
        _resigned({"alg": "ES256", "typ": "t", "zip": "DEF"}),
        _resigned({"alg": "ES256", "typ": "t"}, b"[]"),
        _resigned({"alg": "ES256", "typ": "t"}, b'{"a":1,"a":2}'),
        _resigned({"alg": "ES256", "typ": "t"}) + "=",
        _resigned({"alg": "ES256", "typ": "t", "pad": "x" * 5000}),
        "a" * (LIMIT + 1),
    ],
)
def test_tokens_outside_the_narrow_form_are_refused(token: str) -> None:
    with pytest.raises(JoseError):
        parse_jws(token, typ={"t"}, limit=LIMIT).verify(KEYS[KeyType.EC_P256].public_key())


def test_an_hmac_keyed_with_the_public_key_is_refused() -> None:
    import hashlib
    import hmac

    key = KEYS[KeyType.EC_P256].public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = _token({"alg": "HS256", "typ": "t"}).rpartition(".")[0]
    forged = f"{signing_input}.{base64url(hmac.digest(pem, signing_input.encode(), hashlib.sha256))}"
    with pytest.raises(JoseError):
        parse_jws(forged, typ={"t"}, limit=LIMIT).verify(key)


def test_stray_bits_of_base64url_are_refused() -> None:
    token = sign_jwt(KEYS[KeyType.EC_P256], {}, typ="t")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    assert base64.urlsafe_b64decode(twin.rsplit(".")[-1] + "==") == base64.urlsafe_b64decode(
        token.rsplit(".")[-1] + "=="
    )
    with pytest.raises(JoseError):
        parse_jws(twin, typ={"t"}, limit=LIMIT)


def _jwe_with(change: dict[str, Any]) -> str:
    header, rest = encrypt(b"{}", KEYS[KeyType.EC_P256].public_key(), kid="k", cty="json").split(".", 1)
    members = json.loads(base64.urlsafe_b64decode(header + "=="))
    members.update(change)
    return f"{base64url(json.dumps(members).encode())}.{rest}"


OFF_CURVE = {"kty": "EC", "crv": "P-256", "x": base64url(b"\1" * 32), "y": base64url(b"\2" * 32)}


@pytest.mark.parametrize(
    "token",
    [
        "....",
        "a.b.c.d.e",
        _jwe_with({"zip": "DEF"}),
        _jwe_with({"crit": ["zip"]}),
        _jwe_with({"alg": "dir"}),
        _jwe_with({"alg": "RSA-OAEP-256"}),
        _jwe_with({"enc": "A128GCM"}),
        _jwe_with({"epk": None}),
        _jwe_with({"epk": OFF_CURVE}),
        _jwe_with({"epk": OFF_CURVE | {"d": "AA"}}),
        _jwe_with({"epk": OFF_CURVE | {"x": "AA"}}),
        _jwe_with({"epk": public_jwk(OTHERS[KeyType.EC_P384].public_key())}),
        _jwe_with({"apu": 1}),
        _jwe_with({}).replace("..", ".AAAA.", 1),
    ],
)
def test_jwes_outside_the_narrow_form_are_refused(token: str) -> None:
    with pytest.raises(JoseError):
        parse_jwe(token, limit=LIMIT).open(KEYS[KeyType.EC_P256])


def test_ed25519_only_signs() -> None:
    with pytest.raises(UnsupportedAlgorithm):
        encrypt(b"", KEYS[KeyType.ED25519].public_key(), kid="k", cty="json")


@pytest.mark.parametrize("kind", KEYS)
def test_public_jwk_is_the_one_joserfc_writes(kind: KeyType) -> None:
    written = _joserfc(KEYS[kind]).as_dict(private=False)
    assert public_jwk(KEYS[kind].public_key()) == {name: written[name] for name in written if name != "kid"}

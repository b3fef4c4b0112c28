"""RFC 9421 against its own vectors and against `http-message-signatures` as an independent oracle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
)
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ECDSA_P384_SHA384, ED25519, RSA_PSS_SHA512
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gateway.encoding import parse_base64
from app.gateway.httpsig import (
    HttpSignatureError,
    SignatureInput,
    content_digest,
    parse_signature,
    parse_signature_input,
    sign,
    signature_base,
    verify,
    verify_content_digest,
)
from pki.keys import KeyType, PublicKey, generate

RSA_PSS = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1G"
    "H45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+"
    "Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQ"
    "VklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB"
)
ECC_P256 = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkD"
    "XZCnTNnoXQ=="
)
ED25519_KEY = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="

REQUEST = {
    '"date"': "Tue, 20 Apr 2021 02:07:55 GMT",
    '"@method"': "POST",
    '"@path"': "/foo",
    '"@query"': "?param=Value&Pet=dog",
    '"@query-param";name="Pet"': "dog",
    '"@authority"': "example.com",
    '"content-type"': "application/json",
    '"content-digest"': "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAg"
    "BWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    '"content-length"': "18",
}
RESPONSE = {
    '"@status"': "200",
    '"content-type"': "application/json",
    '"content-digest"': "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsP"
    "p29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    '"content-length"': "23",
}
APPENDIX_B = {
    "b21": (
        RSA_PSS,
        REQUEST,
        'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
        "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJ"
        "MkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZ"
        "sfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8"
        "ssinQ98Xw9Q==:",
    ),
    "b22": (
        RSA_PSS,
        REQUEST,
        'sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;'
        'keyid="test-key-rsa-pss";tag="header-example"',
        "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4"
        "+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+"
        "H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe"
        "4bXTugEjHSw==:",
    ),
    "b23": (
        RSA_PSS,
        REQUEST,
        'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");'
        'created=1618884473;keyid="test-key-rsa-pss"',
        "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCU"
        "b38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1"
        "xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIzt"
        "sDZKEgM4cUA==:",
    ),
    "b24": (
        ECC_P256,
        RESPONSE,
        'sig-b24=("@status" "content-type" "content-digest" "content-length");created=161'
        '8884473;keyid="test-key-ecc-p256"',
        "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:",
    ),
    "b26": (
        ED25519_KEY,
        REQUEST,
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;'
        'keyid="test-key-ed25519"',
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    ),
}


def _key(spki: str) -> PublicKey:
    key = load_der_public_key(parse_base64(spki))
    assert isinstance(key, PublicKey)
    return key


@pytest.mark.parametrize("name", APPENDIX_B)
def test_rfc9421_appendix_b(name: str) -> None:
    spki, values, stated, signature = APPENDIX_B[name]
    parsed = parse_signature_input(stated, f"sig-{name}")
    verify(_key(spki), parse_signature(signature, f"sig-{name}"), parsed, values)


@pytest.mark.parametrize("name", APPENDIX_B)
def test_every_flipped_bit_of_an_appendix_b_signature_is_refused(name: str) -> None:
    spki, values, stated, signature = APPENDIX_B[name]
    key, parsed, good = (
        _key(spki),
        parse_signature_input(stated, f"sig-{name}"),
        parse_signature(signature, f"sig-{name}"),
    )
    for bit in range(0, len(good) * 8, 3):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(HttpSignatureError):
            verify(key, bytes(flipped), parsed, values)


ALGORITHMS = {
    KeyType.EC_P256: ECDSA_P256_SHA256,
    KeyType.EC_P384: ECDSA_P384_SHA384,
    KeyType.ED25519: ED25519,
    KeyType.RSA_2048: RSA_PSS_SHA512,
}
KEYS = {kind: generate(kind) for kind in ALGORITHMS}
REQUEST_COMPONENTS = ("@method", "@target-uri", "authorization", "content-type", "content-digest")
NOW = datetime.now(UTC)

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
PATHS = st.from_regex(r"/[a-z0-9/_-]{0,40}(\?[a-z0-9=&_-]{1,30})?", fullmatch=True)


@dataclass
class Message:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    status_code: int
    request: Message
    headers: dict[str, str] = field(default_factory=dict)


def _values(message: Message) -> dict[str, str]:
    fields = {f'"{name.lower()}"': value for name, value in message.headers.items()}
    return {'"@method"': message.method, '"@target-uri"': message.url, **fields}


def _oracle(kind: KeyType) -> dict[str, Any]:
    resolver = MappingKeyResolver(public_keys={"k": KEYS[kind].public_key()}, private_keys={"k": KEYS[kind]})
    return {"signature_algorithm": ALGORITHMS[kind], "key_resolver": resolver}


def _message(path: str, token: str, body: bytes) -> Message:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/jose",
        "Content-Digest": content_digest(body),
    }
    return Message("POST", f"https://api.example{path}", headers)


@pytest.mark.parametrize("kind", ALGORITHMS)
@given(path=PATHS, token=VISIBLE, body=st.binary(max_size=200), nonce=VISIBLE)
@settings(max_examples=60)
def test_the_oracle_verifies_what_we_sign(kind: KeyType, path: str, token: str, body: bytes, nonce: str) -> None:
    message = _message(path, token, body)
    parameters = {
        "created": int(NOW.timestamp()),
        "nonce": nonce,
        "keyid": "k",
        "alg": ALGORITHMS[kind].algorithm_id,
        "tag": "t",
    }
    identifiers = [f'"{name}"' for name in REQUEST_COMPONENTS]
    message.headers |= sign(KEYS[kind], "api", identifiers, _values(message), parameters)
    found = HTTPMessageVerifier(**_oracle(kind)).verify(
        message, expect_tag="t", expect_label="api", require_components=REQUEST_COMPONENTS, body=body
    )
    assert found[0].nonce == nonce


@pytest.mark.parametrize("kind", ALGORITHMS)
@given(path=PATHS, token=VISIBLE, body=st.binary(max_size=200), nonce=VISIBLE, data=st.data())
@settings(max_examples=60)
def test_we_verify_what_the_oracle_signs_and_nothing_else(
    kind: KeyType, path: str, token: str, body: bytes, nonce: str, data: st.DataObject
) -> None:
    message = _message(path, token, body)
    HTTPMessageSigner(**_oracle(kind)).sign(
        message,
        key_id="k",
        created=NOW,
        nonce=nonce,
        label="api",
        tag="t",
        covered_component_ids=data.draw(st.permutations(REQUEST_COMPONENTS)),
        body=body,
        use_existing_digest=True,
    )
    stated = parse_signature_input(message.headers["Signature-Input"], "api")
    signature = parse_signature(message.headers["Signature"], "api")
    assert (stated.nonce, stated.keyid, stated.created) == (nonce, "k", int(NOW.timestamp()))
    verify(KEYS[kind].public_key(), signature, stated, _values(message))
    changed = data.draw(st.sampled_from(stated.components))
    with pytest.raises(HttpSignatureError):
        verify(KEYS[kind].public_key(), signature, stated, _values(message) | {changed: "another value"})


@given(
    signature=st.binary(min_size=64, max_size=64),
    body=st.binary(max_size=100),
    status=st.sampled_from([200, 201, 403]),
)
@settings(max_examples=60)
def test_the_oracle_verifies_an_answer_bound_to_its_request(signature: bytes, body: bytes, status: int) -> None:
    import base64

    member = f":{base64.b64encode(signature).decode()}:"
    request = Message("POST", "https://api.example/x", {"Signature": f"api={member}"})
    answer = Answer(status, request, {"Content-Type": "application/json", "Content-Digest": content_digest(body)})
    components = ('"@status"', '"content-type"', '"content-digest"', '"signature";req;key="api"')
    values = dict(zip(components, (str(status), "application/json", content_digest(body), member), strict=True))
    key = KEYS[KeyType.EC_P256]
    answer.headers |= sign(key, "bank", components, values, {"created": int(NOW.timestamp()), "keyid": "k", "tag": "b"})
    verifier = HTTPMessageVerifier(**_oracle(KeyType.EC_P256))
    verifier.verify(answer, expect_tag="b", expect_label="bank", require_components=components, body=body)
    request.headers["Signature"] = "api=:AAAA:"
    with pytest.raises(InvalidSignature):
        verifier.verify(answer, expect_tag="b", expect_label="bank", body=body)


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "api=",
        "api=()",
        'other=("@method");created=1',
        'api=("@method");created=1, api=("@method");created=1',
        'api=("@method"), b=()',
        'api=("@method"  "date");created=1',
        'api=( "@method");created=1',
        'api=("@method"); created=1',
        'api=("@method" "@method");created=1',
        'api=("@method");created=1;created=2',
        'api=("@method");created="1"',
        'api=("@method");created=01',
        'api=("@method");created=1.0',
        'api=("@method");created=9999999999999999',
        'api=("@method");nonce=5',
        'api=("@method");unknown="x"',
        'api=("@method");nonce="\u00e9"',
        'api=("@method");nonce="a\\b"',
        'api=("@method");nonce="' + "a" * 3000 + '"',
        "api=(@method);created=1",
        "api=:AAAA:",
    ],
)
def test_signature_inputs_outside_the_canonical_form_are_refused(stated: str) -> None:
    if stated == "api=()":  # well-formed; covering nothing is refused by the caller's component list
        assert parse_signature_input(stated, "api") == SignatureInput((), "()")
        return
    with pytest.raises(HttpSignatureError):
        parse_signature_input(stated, "api")


@pytest.mark.parametrize(
    "text",
    ["", "api=", "api=AAAA", "api=:AAA:", "api=:AAB=:", "api=:AA==:,b=:AA==:", "b=:AAAA:", "api=:A A:"],
)
def test_signatures_outside_the_canonical_form_are_refused(text: str) -> None:
    with pytest.raises(HttpSignatureError):
        parse_signature(text, "api")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40), st.integers(0, 10**14))
def test_parameters_come_back_as_they_were_written(nonce: str, created: int) -> None:
    fields = sign(KEYS[KeyType.ED25519], "api", (), {}, {"nonce": nonce, "created": created})
    stated = parse_signature_input(fields["Signature-Input"], "api")
    assert (stated.nonce, stated.created) == (nonce, created)


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "\u4e2d", "a\x00"])
def test_values_that_could_forge_a_line_are_refused(value: str) -> None:
    with pytest.raises(HttpSignatureError):
        signature_base({'"x"': value}, parse_signature_input('api=("x");created=1', "api"))


def test_a_component_the_message_does_not_have_is_refused() -> None:
    with pytest.raises(HttpSignatureError):
        signature_base({}, parse_signature_input('api=("x");created=1', "api"))


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_the_digest_is_of_the_content_alone(content: bytes, other: bytes) -> None:
    verify_content_digest(content_digest(content), content)
    if content != other:
        with pytest.raises(HttpSignatureError):
            verify_content_digest(content_digest(other), content)


def test_the_digest_of_rfc9530() -> None:
    # RFC 9530 Appendix D
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"

"""A worked example of the dialect: fixed keys that are worth nothing, and every value on the way, in order.

`flask gateway explain-icbc` prints it and docs/icbc.md holds it, so that a client in any language can be compared step
by step. The RSA keys are made from a text each, so nobody has to trust numbers that somebody chose.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.gateway.content import TYP
from app.gateway.icbc.answers import first_value, refusal, success, write_answer
from app.gateway.icbc.cipher import encrypt
from app.gateway.icbc.parameters import string_to_sign
from app.gateway.icbc.signatures import sign_answer
from app.gateway.jose import sign_jwt
from app.texts import chinese_for
from pki.keys import encode_spki

Step = tuple[str, str]
"""What a value is, and the value."""

_PATH = "/api/payments/V1"
_ISSUER = "https://api.bank.example"
_SEED = "yunlian icbc example"
_SMALL_PRIMES = [number for number in range(3, 2000) if all(number % divisor for divisor in range(2, number))]


def steps() -> Iterator[Step]:
    """The example, from the keys to the bank's answer."""
    application, bank, product = _rsa_key("application"), _rsa_key("bank"), _ed25519_key("product")
    aes_key = hashlib.sha256(f"{_SEED}: aes".encode()).digest()[:16]
    yield "Application's private key (PKCS #8, Base64)", _private(application)
    yield "Application's public key (SubjectPublicKeyInfo, Base64)", _public(application)
    yield "Bank's public key for answers (SubjectPublicKeyInfo, Base64)", _public(bank)
    yield "AES key (Base64)", base64.b64encode(aes_key).decode()
    yield "Product's private key (Ed25519, PKCS #8, Base64)", _private(product)

    document = {
        "instruction_id": "PAY-0001",
        "amount_minor": 1234567,
        "currency": "CNY",
        "payer_account": "6217000010000000015",
        "payee": {"name": "宁波海蓝贸易有限公司", "account": "1202020209900012345", "clearing_code": "102332002019"},
        "purpose": "货款",
    }
    claims = {
        "iss": "urn:yunlian:enterprise:91330106MA2QH8K3XK:product:payments",
        "aud": _ISSUER,
        "client_id": "app-example",
        "htm": "POST",
        "htu": _ISSUER + _PATH,
        "iat": 1795320000,
        "exp": 1795320300,
        "jti": "example-0123456789",
        "document": document,
    }
    header = {"x5t#S256": "x5t-of-the-product-signing-certificate"}
    signed_content = sign_jwt(product, claims, typ=TYP, header=header)
    biz_content = json.dumps({"signed_content": signed_content}, separators=(",", ":"))
    yield "Claims of the enterprise's content", _json(claims)
    yield "signed_content: the claims as a JWS by the product's key (EdDSA)", signed_content
    yield "biz_content before encryption", biz_content

    sealed = encrypt(aes_key, biz_content)
    yield "biz_content: AES-CBC, zero vector, PKCS #5, Base64", sealed
    pairs = {
        "app_id": "app-example",
        "msg_id": "msg-0001",
        "format": "json",
        "charset": "UTF-8",
        "sign_type": "RSA2",
        "encrypt_type": "AES",
        "timestamp": "2026-11-22 12:00:00",
        "app_auth_token": "the-access-token",
        "ca": "",
        "biz_content": sealed,
    }
    to_sign = string_to_sign(_PATH, pairs)
    yield "String to sign (the empty ca is left out)", to_sign
    yield "SHA-256 of the string to sign", hashlib.sha256(to_sign.encode()).hexdigest()
    pairs["sign"] = sign_answer(application, to_sign.encode())
    yield "sign: SHA256withRSA, Base64", pairs["sign"]
    yield f"Body of POST {_PATH}", urlencode(pairs)

    body = {"instruction_id": "PAY-0001", "bank_reference": "01k000000000000000000000ex", "state": "booked"}
    value = success("msg-0001", body)
    plain, hidden = first_value(value, None), first_value(value, aes_key)
    yield "Value of response_biz_content before encryption", plain
    yield "The same as it is sent, quotes included: these octets are signed", hidden
    yield "The answer", write_answer(hidden, bank, sha1=False).decode()
    yield "The answer to a request without encrypt_type", write_answer(plain, bank, sha1=False).decode()
    yield (
        "The same for an application whose SDK checks SHA-1 alone",
        write_answer(plain, bank, sha1=True).decode(),
    )
    problem = {"code": "replayed", "zh": chinese_for("replayed"), "detail": "the msg_id was used before"}
    refused = first_value(refusal("msg-0001", problem), None)
    yield "A refusal: HTTP 200 as well", write_answer(refused, bank, sha1=False).decode()


def as_text() -> str:
    """All steps, numbered, as the command prints them and docs/icbc.md has them."""
    return "\n".join(f"{number}. {name}\n{value}\n" for number, (name, value) in enumerate(steps(), 1))


def _rsa_key(name: str) -> rsa.RSAPrivateKey:
    """2048 bits from two primes that follow digests of a text: the same key everywhere."""
    p, q = (_prime(f"{_SEED}: {name} {part}") for part in "pq")
    exponent = 65537
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()


def _prime(text: str) -> int:
    """The first number from the text's digest on that is prime by Miller and Rabin's test to forty bases."""
    start = int.from_bytes(hashlib.shake_256(text.encode()).digest(128)) | 3 << 1022 | 1
    candidate = start
    while not _is_prime(candidate):
        candidate += 2
    return candidate


def _is_prime(number: int) -> bool:
    if any(number % prime == 0 for prime in _SMALL_PRIMES) or (number - 1) % 65537 == 0:
        return False
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    return all(_is_witnessed(number, base, twos) for base in _SMALL_PRIMES[:40])


def _is_witnessed(number: int, base: int, twos: int) -> bool:
    power = pow(base, (number - 1) >> twos, number)
    if power in {1, number - 1}:
        return True
    return any((power := power * power % number) == number - 1 for _ in range(twos - 1))


def _ed25519_key(name: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{_SEED}: {name}".encode()).digest())


def _private(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def _public(key: rsa.RSAPrivateKey) -> str:
    return base64.b64encode(encode_spki(key.public_key())).decode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)

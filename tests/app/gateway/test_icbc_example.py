"""The worked example: document and command are the same, and an independent client arrives at the same octets."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from flask import Flask
from joserfc import jws
from joserfc.jwk import OKPKey

from app.gateway.icbc import example
from tests.app.gateway.icbc_client import IcbcClient, aes, encode, unaes

DOCUMENT = Path(__file__).parents[3] / "docs" / "icbc.md"


@cache
def _values() -> list[str]:
    return [value for _, value in example.steps()]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_document_has_what_the_command_prints(app: Flask) -> None:
    printed = app.test_cli_runner().invoke(args=["gateway", "explain-icbc"])
    assert printed.exit_code == 0
    assert f"```\n{printed.output.rstrip()}\n```" in DOCUMENT.read_text(encoding="utf-8")


def test_an_independent_client_arrives_at_the_same_request() -> None:
    key_text, _, _, aes_text, product_text, claims, content, biz_content, sealed, to_sign, _, sign, body = _values()[
        :13
    ]
    key, product = (load_der_private_key(base64.b64decode(text), None) for text in (key_text, product_text))
    assert isinstance(key, rsa.RSAPrivateKey)
    pem = product.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    opened = jws.deserialize_compact(content, OKPKey.import_key(pem), algorithms=["EdDSA"])
    assert json.loads(opened.payload) == json.loads(claims)
    assert aes(base64.b64decode(aes_text), biz_content.encode()) == sealed
    sent = dict(parse_qsl(body, keep_blank_values=True))
    names = sorted(name for name in sent if sent[name] and name != "sign")
    assert "/api/payments/V1?" + "&".join(f"{name}={sent[name]}" for name in names) == to_sign
    assert base64.b64encode(key.sign(to_sign.encode(), PKCS1v15(), hashes.SHA256())).decode() == sign
    assert encode(sent).decode() == body


def test_an_independent_client_reads_the_same_answers() -> None:
    bank, aes_key = _values()[2], base64.b64decode(_values()[3])
    plain, _, hidden, open_answer, sha1, refused = _values()[13:]
    key = rsa.generate_private_key(65537, 2048)
    client = IcbcClient("app-example", key, bank, aes_key)
    assert client.read(hidden.encode(), encrypted=True) == client.read(open_answer.encode()) == json.loads(plain)
    assert client.read(refused.encode())["return_code"] == 500020
    client.answer_digest = hashes.SHA1()  # noqa: S303
    assert client.read(sha1.encode()) == json.loads(plain)
    assert json.loads(unaes(aes_key, json.loads(hidden)["response_biz_content"])) == json.loads(plain)

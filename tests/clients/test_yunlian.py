"""The client library's own part: it trusts nothing that is not signed, and its command says what went wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from yunlian import AnswerNotTrusted, Platform, command
from yunlian.keys import algorithms_for, load_private_key
from yunlian.messages import Request, Response, verify_answer

from tests.app.gateway.parties import Parties


def _pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[no-any-return]


@pytest.fixture
def profile(app: Flask, parties: Parties, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile on disk; the command's platform speaks to the application over WSGI."""
    folder = tmp_path / "profile"
    folder.mkdir()
    files = {
        "api_key": _pem(parties.platform.key),
        "api_certificate": parties.platform.certificate.public_bytes(Encoding.PEM),
        "product_key": _pem(parties.enterprise.sign_key),
        "product_certificate": parties.enterprise.sign_certificate.public_bytes(Encoding.PEM),
        "encryption_key": _pem(parties.enterprise.encrypt_key),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    values = {"issuer": parties.services.settings.issuer_url, "client_id": parties.platform.application.client_id}
    path = folder / "yunlian.json"
    path.write_text(json.dumps(values | {name: name for name in files}))
    monkeypatch.setattr(command, "Platform", lambda *_: parties.platform.client(app))
    return path


def test_token_prints_a_token(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--profile", str(profile), "token"]) == 0
    assert json.loads(capsys.readouterr().out)["scope"] == "routing"


def test_a_refusal_is_one_sentence_and_status_1(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--profile", str(profile), "token", "--scope", "payments"]) == 1
    assert "invalid_scope" in capsys.readouterr().err
    assert command.main(["--profile", str(profile.parent / "none.json"), "token"]) == 1


def test_explain_and_pay(
    profile: Path, parties: Parties, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = type("Token", (), {"access_token": parties.token()})
    monkeypatch.setattr(Platform, "refresh", lambda *_: token)
    (profile.parent / "refresh").write_text("unused")
    (profile.parent / "document.json").write_text('{"amount_minor": 1}')
    arguments = [str(profile.parent / "document.json"), "--refresh-token-file", str(profile.parent / "refresh")]
    echo = ["--path", "/api/v1/echo"]
    assert command.main(["--profile", str(profile), "explain", *arguments, *echo]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained["4 JWE header"]["alg"] == "ECDH-ES"
    assert command.main(["--profile", str(profile), "pay", *arguments, *echo]) == 0
    assert json.loads(capsys.readouterr().out)["sealed"] == {"document": '{"amount_minor":1}'}


def test_authorize_prints_where_to_send_the_representative(
    profile: Path, parties: Parties, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.app.gateway.parties import REDIRECT_URI

    arguments = [parties.enterprise.tenant.uscc, "--redirect-uri", REDIRECT_URI, "--single", "1", "--daily", "2"]
    assert command.main(["--profile", str(profile), "authorize", *arguments]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["url"].startswith("https://localhost:8443/oauth/authorize?")


def test_csr_writes_a_private_key_that_nobody_else_reads_and_never_overwrites(tmp_path: Path) -> None:
    arguments = ["csr", str(tmp_path / "key.pem"), str(tmp_path / "csr.pem")]
    assert command.main(arguments) == 0
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    load_private_key(tmp_path / "key.pem")
    assert command.main(arguments) == 1


@pytest.mark.parametrize("headers", [{}, {"signature": "bank=:AAAA:"}, {"signature-input": "bank=()"}])
def test_answers_without_the_banks_signature_are_not_trusted(headers: dict, parties: Parties) -> None:
    key = parties.platform.key.public_key()
    answer = Response(200, headers, Request("GET", "https://localhost/"))
    for keys in ({}, {"k": key}):
        with pytest.raises(AnswerNotTrusted):
            verify_answer(answer, b"", keys, parties.services.clock)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 1024), "text"],  # noqa: S505
)
def test_keys_outside_the_table_are_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="the key is not"):
        algorithms_for(key)

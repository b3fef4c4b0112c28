"""The agent signs after the enterprise's rules and nothing else; platforms send through it; keys of every kind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from flask import Flask
from joserfc import jws
from joserfc.jwk import import_key
from yunlian import AgentRefused, RemoteEnterprise, YunlianError, command
from yunlian.agent import Agent, AgentServer, SignedBefore, load_agent
from yunlian.keys import load_private_key
from yunlian.rules import RuleBroken, Rules, load_rules

from tests.app.gateway.parties import Parties

CLIENTS = Path(__file__).parents[2] / "clients" / "python"
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
URL = "https://localhost:9443/api/v1/payments"
NOW = datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)  # one second before midnight in Beijing
RULES = Rules(
    "https://localhost:9443", "app-1", frozenset({"/api/v1/payments", "/api/v1/echo"}),
    frozenset({"/api/v1/payments/status"}), 1000, 2500,
)  # fmt: skip


def _payment(name: str = "P-1", amount: Any = 1000, account: Any = "62220001") -> dict[str, Any]:
    return {"instruction_id": name, "amount_minor": amount, "payee": {"name": "供应商", "account": account}}


def _pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[no-any-return]


# --- rules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "document"),
    [
        ("POST", "https://elsewhere.example/api/v1/payments", _payment()),
        ("POST", "http://localhost:9443/api/v1/payments", _payment()),
        ("POST", f"{URL}?a=1", _payment()),
        ("POST", f"{URL}/cancel", _payment()),
        ("GET", URL, _payment()),
        ("POST", URL, _payment(amount=1001)),
        ("POST", URL, _payment(amount=0)),
        ("POST", URL, _payment(amount=1.5)),
        ("POST", URL, _payment(amount="1")),
        ("POST", URL, _payment(amount=True)),
        ("POST", URL, _payment(account=None)),
        ("POST", URL, _payment(name="")),
        ("POST", URL, {"instruction_id": "P-1"}),
        ("POST", URL, {"batch_id": "B", "items": [_payment(), _payment(amount=1001)]}),
        ("POST", URL, _payment() | {"more": _payment(amount=1001)}),
        ("POST", URL, {"batch_id": "B", "items": [_payment() for _ in range(10_001)]}),
    ],
)
def test_what_the_rules_do_not_allow(method: str, url: str, document: dict[str, Any]) -> None:
    with pytest.raises(RuleBroken):
        RULES.check(method, url, document, NOW)


def test_what_it_spends_on_which_day() -> None:
    assert RULES.check("POST", f"{URL}/status", {"instruction_id": "P-1"}, NOW) is None
    spending = RULES.check("POST", URL, {"batch_id": "B", "items": [_payment(), _payment("P-2", 7)]}, NOW)
    assert spending is not None
    assert (spending.day, spending.name, spending.amount_minor) == ("2026-11-22", "B", 1007)
    later = RULES.check("POST", URL, _payment(), NOW + timedelta(seconds=1))
    assert later is not None
    assert later.day == "2026-11-23"


def test_only_payees_of_the_list_where_there_is_one() -> None:
    rules = replace(RULES, accounts=frozenset({"62220001"}))
    assert rules.check("POST", URL, _payment(), NOW) is not None
    with pytest.raises(RuleBroken, match="payee"):
        rules.check("POST", URL, _payment(account="62220002"), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"limits": {"single_minor": 1}},
        {"limits": {"single_minor": 1.5, "daily_minor": 2}},
        {"limits": {"single_minor": -1, "daily_minor": 2}},
        {"limits": {"single_minor": 1, "daily_minor": 2, "dayly_minor": 3}},
        {"payees": {}},
        {"payees": {"accounts": "6222"}},
        {"endpoints": {"pay": [1]}},
        {"issuer": None},
    ],
)
def test_rules_that_are_not_understood_are_not_guessed(change: dict[str, Any]) -> None:
    good = {"issuer": "https://x", "client_id": "a", "endpoints": {}, "limits": {"single_minor": 1, "daily_minor": 2}}
    values = {name: value for name, value in (good | change).items() if value is not None}
    with pytest.raises(ValueError, match=r"."):
        load_rules(values)


def test_the_day_s_total_holds_under_parallel_use_and_counts_a_name_once(tmp_path: Path) -> None:
    memory = SignedBefore(tmp_path / "signed.db")

    def spend(number: int) -> bool:
        spending = RULES.check("POST", URL, _payment(f"P-{number % 8}", 500), NOW)
        assert spending is not None
        try:
            memory.add(spending, RULES.daily_minor, NOW)
        except RuleBroken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(spend, range(32)))
    assert sum(outcomes) == 5 * 4  # five names of 500 fen fit into 2,500, each asked for four times
    other = RULES.check("POST", URL, _payment(f"P-{outcomes.index(True)}", 1), NOW)
    assert other is not None
    with pytest.raises(RuleBroken, match="another document"):
        memory.add(other, RULES.daily_minor, NOW)


# --- through the agent to the bank ----------------------------------------------------------------------------------


@pytest.fixture
def agent(parties: Parties, tmp_path: Path) -> Agent:
    issuer, client_id = parties.services.settings.issuer_url, parties.platform.application.client_id
    rules = replace(RULES, issuer=issuer, client_id=client_id)
    memory = SignedBefore(tmp_path / "signed.db")
    return Agent(rules, parties.enterprise.client(), memory, opens=True, clock=parties.services.clock)


@pytest.fixture(params=["tcp", "unix"])
def served(request: pytest.FixtureRequest, agent: Agent, tmp_path: Path) -> Iterator[RemoteEnterprise]:
    listen = "127.0.0.1:0" if request.param == "tcp" else str(tmp_path / "a.sock")
    with AgentServer(agent, listen, "secret") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_address[1]}" if request.param == "tcp" else listen
        yield RemoteEnterprise(str(at), "secret")
        server.shutdown()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_platform_sends_through_the_agent(app: Flask, parties: Parties, served: RemoteEnterprise) -> None:
    platform = parties.platform.client(app)
    answer = platform.call("/api/v1/echo", _payment(), token=parties.token(), enterprise=served)
    assert answer.sealed is not None
    assert json.loads(answer.sealed["document"]) == _payment()
    assert served.urn.endswith(":payments")
    assert served.x5t_s256 == parties.enterprise.client().x5t_s256
    with pytest.raises(AgentRefused, match="single"):
        platform.call("/api/v1/echo", _payment("P-2", 1001), token=parties.token(), enterprise=served)
    platform.call("/api/v1/echo", _payment("P-2"), token=parties.token(), enterprise=served)
    with pytest.raises(AgentRefused, match="day"):
        platform.call("/api/v1/echo", _payment("P-3"), token=parties.token(), enterprise=served)
    assert len(parties.seen) == 2


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_agent_answers_nobody_without_its_token_and_opens_only_where_it_may(agent: Agent, tmp_path: Path) -> None:
    agent._opens = False
    with AgentServer(agent, str(tmp_path / "a.sock"), "secret") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert (tmp_path / "a.sock").stat().st_mode & 0o777 == 0o600
        with pytest.raises(AgentRefused, match="token"):
            _ = RemoteEnterprise(str(tmp_path / "a.sock"), "wrong").urn
        assert RemoteEnterprise(str(tmp_path / "a.sock"), "secret").open("x") is None
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "a.sock")), base_url="http://agent") as raw:
            headers = {"Authorization": "Bearer secret"}
            for body in (b"[]", b"{", b"{}", b'{"method":1,"url":2,"document":3}', b'{"method":"POST","url":"x"}'):
                assert raw.post("/sign", content=body, headers=headers).status_code in {400, 403}
            assert raw.post("/other", content=b"{}", headers=headers).status_code == 400
        with socket.socket(socket.AF_UNIX) as raw_socket:
            raw_socket.connect(str(tmp_path / "a.sock"))
            head = (
                "POST /sign HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer secret\r\nContent-Length: 9999999\r\n\r\n"
            )
            raw_socket.sendall(head.encode() + b"x")
            assert raw_socket.recv(64).split()[1] == b"400"
        server.shutdown()


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback"):
        AgentServer(object(), "0.0.0.0:0", "secret")  # type: ignore[arg-type]


# --- keys of every kind ---------------------------------------------------------------------------------------------


def _folder(tmp_path: Path, key: str, certificate: x509.Certificate, **more: str) -> Path:
    (tmp_path / "product.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    settings = {
        "issuer": "https://localhost:9443", "client_id": "app-1", "product_key": key,
        "product_certificate": "product.pem", "token_file": "token", "listen": "agent.sock", **more,
    }  # fmt: skip
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    tables = '[endpoints]\npay = ["/api/v1/payments"]\n[limits]\nsingle_minor = 1_000\ndaily_minor = 2_500\n'
    (tmp_path / "agent.toml").write_text(text + tables)
    (tmp_path / "document.json").write_text(json.dumps(_payment()))
    return tmp_path / "agent.toml"


def _certificate(public_key: Any, signer: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    uri = x509.UniformResourceIdentifier("urn:yunlian:enterprise:91330106MA2QH8K3XK:product:payments")
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public_key).serial_number(1)
        .not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False).sign(signer, hashes.SHA256())
    )  # fmt: skip


def _sign(agent: Path) -> str:
    """The real command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(CLIENTS)}
    arguments = [sys.executable, "-m", "yunlian", "agent", "sign", str(agent), str(agent.parent / "document.json")]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _check(content: str, public_key: Any, algorithm: str) -> None:
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    kind = "RSA" if algorithm == "PS256" else "EC"
    opened = jws.deserialize_compact(content, import_key(pem, kind), algorithms=[algorithm])
    assert json.loads(opened.payload or b"")["document"] == _payment()


@pytest.mark.parametrize("kind", ["pem", "encrypted pem", "pkcs12"])
def test_keys_in_files(tmp_path: Path, kind: str) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = _certificate(key.public_key(), key)
    (tmp_path / "password").write_text("a password\n")
    sealed = BestAvailableEncryption(b"a password")
    name = "product.p12" if kind == "pkcs12" else "product.key"
    octets = {
        "pem": lambda: _pem(key),
        "encrypted pem": lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed),
        "pkcs12": lambda: pkcs12.serialize_key_and_certificates(b"product", key, certificate, None, sealed),
    }[kind]()
    (tmp_path / name).write_bytes(octets)
    more = {} if kind == "pem" else {"key_password_file": "password"}
    _check(_sign(_folder(tmp_path, name, certificate, **more)), key.public_key(), "ES384")


@pytest.mark.skipif(not SOFTHSM.exists(), reason="SoftHSM2 is not installed (Debian: softhsm2)")
@pytest.mark.parametrize("kind", ["ES256", "PS256"])
def test_keys_in_a_token(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made elsewhere and imported by SoftHSM's own tool; everything that touches the token is a process of its own."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else rsa.generate_private_key(65537, 2048)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    (tmp_path / "key.pem").write_bytes(_pem(key))
    (tmp_path / "pin").write_text("5678\n")
    label = uuid.uuid4().hex[:30]
    tool = ["softhsm2-util", "--pin", "5678"]
    subprocess.run(
        [*tool, "--init-token", "--free", "--label", label, "--so-pin", "1234"], check=True, capture_output=True
    )
    subprocess.run(
        [*tool, "--import", tmp_path / "key.pem", "--token", label, "--label", "product", "--id", "01"],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "key.pem").unlink()
    uri = f"pkcs11:token={label};object=product?module-path={SOFTHSM}&pin-source={tmp_path / 'pin'}"
    agent = _folder(tmp_path, uri, _certificate(key.public_key(), key))
    _check(_sign(agent), key.public_key(), kind)


@pytest.mark.parametrize(
    "uri",
    ["pkcs11:", "pkcs11:token=a;object=b", "pkcs11:token=;object=b?module-path=c&pin-source=d", "file:x",
     "pkcs11:token=a;object=b?module-path=/none.so&pin-source=/none"],
)  # fmt: skip
def test_uris_that_name_no_key(uri: str) -> None:
    with pytest.raises((ValueError, OSError)):
        load_private_key(uri)


def test_the_command_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "product.key").write_bytes(_pem(key))
    agent = _folder(tmp_path, "product.key", _certificate(key.public_key(), key))
    (tmp_path / "document.json").write_text(json.dumps(_payment(amount=1001)))
    assert command.main(["agent", "sign", str(agent), str(tmp_path / "document.json")]) == 1
    assert "RuleBroken" in capsys.readouterr().err
    loaded, values = load_agent(agent)
    assert values["listen"] == "agent.sock"
    with pytest.raises(YunlianError):
        loaded.open("x")

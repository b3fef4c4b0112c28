"""The `yunlian` command: register, enrol keys, fetch tokens, ask an enterprise, pay, explain a request, be an agent.

Who we are stands in a JSON file (`--profile`, default yunlian.json), whose paths are relative to it: issuer, client_id,
api_key, api_certificate, ca_file; for an enterprise's content either agent and agent_token, or product_key,
product_certificate, encryption_key. A key is a PEM file, a PKCS #12 file (.p12, .pfx) or a PKCS #11 URI; the file
`key_password_file` has its password.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from yunlian import Enterprise, OAuthRefused, Platform, Refused, RemoteEnterprise, YunlianError, agent
from yunlian.keys import PrivateKey, load_private_key
from yunlian.platform import AuthorizationRequest
from yunlian.remote import connect


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 on success, 1 where the bank or the profile says no."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (YunlianError, httpx.HTTPError, OSError, ValueError, KeyError) as exc:
        print(f"yunlian: {type(exc).__name__}: {exc}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yunlian", description="Client of the Yunlian open-banking gateway")
    parser.add_argument("--profile", type=Path, default=Path("yunlian.json"), help="JSON file (see the README)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    csr = add("csr", _csr, "make a private key and a certificate signing request for it")
    csr.add_argument("key", type=Path, help="where to write the new key (PEM, mode 0600)")
    csr.add_argument("csr", type=Path, help="where to write the request (PEM)")
    token = add("token", _token, "fetch an access token for the platform itself")
    token.add_argument("--scope", default="routing")
    ask = add("authorize", _authorize, "push an authorization request and print the address for the enterprise")
    ask.add_argument("uscc")
    ask.add_argument("--redirect-uri", required=True)
    ask.add_argument("--single", type=int, required=True, help="fen per payment")
    ask.add_argument("--daily", type=int, required=True, help="fen per day")
    ask.add_argument("--days", type=int, default=365)
    exchange = add("exchange", _exchange, "exchange the address the enterprise came back to for tokens")
    exchange.add_argument("request", type=Path, help="what `authorize` printed, in a file")
    exchange.add_argument("callback")
    for name, run, text in (
        ("pay", _pay, "send a payment document"),
        ("explain", _explain, "show every layer of the request that `pay` would send"),
    ):
        command = add(name, run, text)
        command.add_argument("document", type=Path, help="the JSON document of the endpoint")
        command.add_argument("--refresh-token-file", type=Path, required=True)
        command.add_argument("--path", default="/api/v1/payments")
    register = add("register", _register, "register an application with the bank's registration code")
    register.add_argument("metadata", type=Path, help="JSON: client_name, redirect_uris, scope (RFC 7591)")
    register.add_argument("--code-file", type=Path, required=True)
    enrol = add("enrol", _enrol, "have the API key certified with the bank's enrolment code")
    enrol.add_argument("csr", type=Path)
    enrol.add_argument("certificate", type=Path, help="where to write the certificate and its chain (PEM)")
    enrol.add_argument("--code-file", type=Path, required=True)
    _add_agent(add("agent", lambda _: None, "the enterprise's side: sign after its own rules (agent.toml)"))
    return parser


def _add_agent(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _agent_serve, "sign for a platform's client on loopback or a Unix socket"),
        ("sign", _agent_sign, "sign one document and print the content"),
        ("open", _agent_open, "print what the bank sealed in an answer"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("agent", type=Path, help="the agent's TOML file")
        if name == "sign":
            command.add_argument("document", type=Path)
            command.add_argument("--path", default="/api/v1/payments")
        if name == "open":
            command.add_argument("sealed", type=Path, help="a file with the JWE")


def _agent_serve(options: argparse.Namespace) -> None:
    loaded, values = agent.load_agent(options.agent)
    token = (options.agent.parent / values["token_file"]).read_text().strip()
    listen = values["listen"]
    if not listen.rpartition(":")[2].isdigit():
        listen = str(options.agent.parent / listen)
    with agent.AgentServer(loaded, listen, token) as server:
        address = server.server_address
        at = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        print(f"signing for {loaded.enterprise.urn} at {at}", flush=True)
        server.serve_forever()


def _agent_sign(options: argparse.Namespace) -> None:
    loaded, _ = agent.load_agent(options.agent)
    document = json.loads(options.document.read_text(encoding="utf-8"))
    print(loaded.sign("POST", loaded.rules.issuer + options.path, document))


def _agent_open(options: argparse.Namespace) -> None:
    loaded, _ = agent.load_agent(options.agent)
    _print(loaded.enterprise.open(options.sealed.read_text().strip()))


def _register(options: argparse.Namespace) -> None:
    """The profile needs issuer and ca_file only; the answer has the client_id for it."""
    values = _profile(options.profile)
    headers = {"Authorization": f"Bearer {options.code_file.read_text().strip()}"}
    with _http(options.profile, values) as http:
        answer = http.post("/oauth/register", json=json.loads(options.metadata.read_text()), headers=headers)
    if answer.status_code != 201:
        raise OAuthRefused(str(answer.json().get("error")), str(answer.json().get("error_description", "")))
    _print(answer.json())


def _enrol(options: argparse.Namespace) -> None:
    asked = {"api": {"code": options.code_file.read_text().strip(), "csr": options.csr.read_text()}}
    values = _profile(options.profile)
    with _http(options.profile, values) as http:
        answer = http.post("/enrol", json=asked, headers={"Accept": "application/pem-certificate-chain"})
    if answer.status_code >= 400:
        raise Refused(answer.status_code, answer.json())
    options.certificate.write_bytes(answer.content)


def _csr(options: argparse.Namespace) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # The bank certifies the subject that it has on record, and refuses a request that claims another.
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    descriptor = os.open(options.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    options.csr.write_bytes(request.public_bytes(Encoding.PEM))


def _token(options: argparse.Namespace) -> None:
    with _platform(options.profile) as platform:
        _print(vars(platform.token(options.scope)))


def _authorize(options: argparse.Namespace) -> None:
    details = {
        "uscc": options.uscc,
        "product": "payments",
        "limits": {"single_minor": options.single, "daily_minor": options.daily},
        "term_days": options.days,
    }
    with _platform(options.profile) as platform:
        _print(vars(platform.push_authorization(details, options.redirect_uri)))


def _exchange(options: argparse.Namespace) -> None:
    request = AuthorizationRequest(**json.loads(options.request.read_text()))
    with _platform(options.profile) as platform:
        _print(vars(platform.exchange(request, options.callback)))


def _pay(options: argparse.Namespace) -> None:
    enterprise = _enterprise(options.profile)
    with _platform(options.profile) as platform:
        token = platform.refresh(options.refresh_token_file.read_text().strip())
        document = json.loads(options.document.read_text())
        answer = platform.call(options.path, document, token=token.access_token, enterprise=enterprise)
    body = {name: value for name, value in answer.body.items() if name != "sealed"}
    _print({"status": answer.status, "body": body, "sealed": answer.sealed})


def _explain(options: argparse.Namespace) -> None:
    """Nothing is sent but the request for a token."""
    enterprise = _enterprise(options.profile)
    with _platform(options.profile) as platform:
        token = platform.refresh(options.refresh_token_file.read_text().strip())
        document = json.loads(options.document.read_text())
        request, body = platform.prepare(options.path, document, token=token.access_token, enterprise=enterprise)
    sealed = (body or b"").decode()
    _print(
        {
            "1 document": document,
            "2 product certificate (x5t#S256)": enterprise.x5t_s256,
            "3 iss of the content": enterprise.urn,
            "4 JWE header": _header(sealed),
            "5 access token header": _header(token.access_token),
            "6 request line": f"{request.method} {request.url}",
            "7 header fields": request.headers,
            "8 body": sealed,
        }
    )


def _platform(profile: Path) -> Platform:
    values = _profile(profile)
    return Platform(
        values["issuer"],
        values["client_id"],
        _key(profile, values, "api_key"),
        profile.parent / values["api_certificate"],
        profile.parent / values["ca_file"] if "ca_file" in values else None,
    )


def _enterprise(profile: Path) -> Enterprise | RemoteEnterprise:
    values = _profile(profile)
    if "agent" in values:
        return connect(profile, values)
    return Enterprise(
        _key(profile, values, "product_key"),
        profile.parent / values["product_certificate"],
        _key(profile, values, "encryption_key") if "encryption_key" in values else None,
    )


def _key(profile: Path, values: dict[str, str], name: str) -> PrivateKey:
    source = values[name] if values[name].startswith("pkcs11:") else profile.parent / values[name]
    password_file = values.get("key_password_file")
    password = (profile.parent / password_file).read_bytes().strip() if password_file is not None else None
    return load_private_key(source, password)


def _http(profile: Path, values: dict[str, str]) -> httpx.Client:
    ca_file = profile.parent / values["ca_file"] if "ca_file" in values else None
    return httpx.Client(base_url=values["issuer"], verify=ssl.create_default_context(cafile=ca_file), timeout=30)


def _profile(path: Path) -> dict[str, str]:
    values: dict[str, str] = json.loads(path.read_text())
    return values


def _header(compact: str) -> Any:
    text = compact.split(".", 1)[0]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _print(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=list))

"""The `yunlian` command: make a key and CSR, fetch tokens, ask an enterprise, pay, explain a request.

Who we are stands in a JSON file (`--profile`, default yunlian.json), whose paths are relative to it:
issuer, client_id, api_key, api_certificate, ca_file; for an enterprise's content also product_key,
product_certificate, encryption_key.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from yunlian import Enterprise, Platform, YunlianError
from yunlian.platform import AuthorizationRequest


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
    csr.add_argument("--name", default="yunlian", help="common name; the bank decides the final subject")
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
    return parser


def _csr(options: argparse.Namespace) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, options.name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
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
        profile.parent / values["api_key"],
        profile.parent / values["api_certificate"],
        profile.parent / values["ca_file"] if "ca_file" in values else None,
    )


def _enterprise(profile: Path) -> Enterprise:
    values = _profile(profile)
    return Enterprise(
        profile.parent / values["product_key"],
        profile.parent / values["product_certificate"],
        profile.parent / values["encryption_key"] if "encryption_key" in values else None,
    )


def _profile(path: Path) -> dict[str, str]:
    values: dict[str, str] = json.loads(path.read_text())
    return values


def _header(compact: str) -> Any:
    text = compact.split(".", 1)[0]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _print(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=list))

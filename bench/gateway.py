"""How fast tokens are issued and requests verified, against bars: durable tokens beside Authlib's documented pattern
on SQLAlchemy in the same run, and the CPU time of each step of a verified request.

`--quick` takes less than 50 s, `--json` prints for scripts; the exit status is 1 where a bar is missed.
"""
# ruff: noqa: E402

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not bench/, where this very file is called gateway
sys.path.insert(1, str(ROOT / "clients" / "python"))

import argparse
import base64
import hashlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from statistics import median
from time import perf_counter, process_time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    OAuth2AuthorizationCodeMixin,
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_query_client_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker
from werkzeug.test import EnvironBuilder
from yunlian.tokens import sign

from app import create_app
from app.db import make_engine
from app.gateway import verify
from app.gateway.answers import GatewayAnswer, make_response, sign_response
from app.gateway.content import open_content, verify_content
from app.gateway.requests import IncomingRequest, parse_request
from app.oauth.models import AuthorizationCode
from app.oauth.token import digest
from app.settings import RunProfile, Settings
from app.setup import initialize
from app.wiring import Services, build_services
from bench._results import Result, report
from tests.app.gateway.parties import REDIRECT_URI, Parties, make_parties

VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PATH = "/api/v1/payments"
DOCUMENT = {
    "instruction_id": "PAY-0001",
    "amount_minor": 12_345_67,
    "currency": "CNY",
    "payer_account": "6217000010000000015",
    "payee": {"name": "宁波海蓝贸易有限公司", "account": "1202020209900012345", "clearing_code": "102332002019"},
    "purpose": "货款",
}
STEPS_BAR = 450.0  # µs of CPU, all steps together
PARALLEL = 32
TOKENS_BAR = 3.0  # times Authlib's pattern


class Clock:
    """A clock that stands still, so that what is prepared stays good however long the machine takes."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


# --- tokens: a code becomes an access and a refresh token, committed before the answer ---


class Base(DeclarativeBase):
    """Tables of Authlib's pattern."""


class Client(Base, OAuth2ClientMixin):
    __tablename__ = "client"
    id: Mapped[int] = mapped_column(primary_key=True)


class Code(Base, OAuth2AuthorizationCodeMixin):
    __tablename__ = "code"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]


class Token(Base, OAuth2TokenMixin):
    __tablename__ = "token"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None]


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)

    def get_user_id(self) -> int:
        return self.id


def authlib_pattern(folder: Path) -> tuple[Callable[[str], dict[str, Any]], Callable[[int], list[str]]]:
    """The server of Authlib's documentation ("Flask OAuth 2.0 Server", code grant with PKCE) on the same SQLite."""
    engine = make_engine(f"sqlite:///{folder}/authlib.db")
    Base.metadata.create_all(engine)
    session: Any = scoped_session(sessionmaker(engine))

    class Grant(AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def save_authorization_code(self, code: str, request: Any) -> None:
            raise NotImplementedError("codes are made beforehand here")

        def query_authorization_code(self, code: str, client: Any) -> Any:
            item = session.query(Code).filter_by(code=code, client_id=client.client_id).first()
            return item if item and not item.is_expired() else None

        def delete_authorization_code(self, authorization_code: Any) -> None:
            session.delete(authorization_code)
            session.commit()

        def authenticate_user(self, authorization_code: Any) -> Any:
            return session.get(User, authorization_code.user_id)

    app = Flask("authlib")
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    server = AuthorizationServer(app, create_query_client_func(session, Client), create_save_token_func(session, Token))
    server.register_grant(Grant, [CodeChallenge(required=True)])
    app.add_url_rule("/oauth/token", view_func=server.create_token_response, methods=["POST"])
    app.teardown_appcontext(lambda _: session.remove())
    client = Client(client_id="c", client_secret="s", client_id_issued_at=0, client_secret_expires_at=0)
    client.set_client_metadata(
        {
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "scope": "payments",
            "token_endpoint_auth_method": "client_secret_post",
        }
    )
    session.add_all([client, User(id=1)])
    session.commit()

    def codes(count: int) -> list[str]:
        made = [secrets.token_urlsafe(32) for _ in range(count)]
        session.add_all(
            Code(code=code, client_id="c", redirect_uri=REDIRECT_URI, scope="payments", user_id=1,
                 code_challenge=CHALLENGE, code_challenge_method="S256")
            for code in made
        )  # fmt: skip
        session.commit()
        session.remove()
        return made

    def form(code: str) -> dict[str, Any]:
        return _form(code) | {"client_id": "c", "client_secret": "s"}

    return _redeemer(app, form), codes


def our_server(app: Flask, parties: Parties) -> tuple[Callable[[str], dict[str, Any]], Callable[[int], list[str]]]:
    """The service's own token endpoint: private_key_jwt, sender-constrained tokens, everything once."""
    services, party = parties.services, parties.platform

    def codes(count: int) -> list[str]:
        made = [secrets.token_urlsafe(32) for _ in range(count)]
        with services.transaction() as session:
            session.add_all(
                AuthorizationCode(
                    code_sha256=digest(code),
                    application_id=party.application.id,
                    authorization_id=parties.authorization.id,
                    redirect_uri=REDIRECT_URI,
                    code_challenge=CHALLENGE,
                    dpop_jkt=None,
                    scope="payments",
                    expires_at=services.clock() + timedelta(seconds=60),
                    used_at=None,
                )
                for code in made
            )
        return made

    def form(code: str) -> dict[str, Any]:
        now, client_id = int(services.clock().timestamp()), party.application.client_id
        claims = {"iss": client_id, "sub": client_id, "aud": services.settings.issuer_url,
                  "jti": secrets.token_urlsafe(18), "iat": now, "exp": now + 60}  # fmt: skip
        return _form(code) | {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": sign(party.key, claims, {"kid": party.x5t_s256}),
        }

    return _redeemer(app, form), codes


def _form(code: str) -> dict[str, Any]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }


def _redeemer(app: Flask, form: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Makes the WSGI environment of one redemption; sending it is what is measured."""

    def environ(code: str) -> dict[str, Any]:
        return EnvironBuilder("/oauth/token", "https://localhost:9443", method="POST", data=form(code)).get_environ()

    environ.app = app  # type: ignore[attr-defined]
    return environ


def tokens_per_second(server: tuple[Any, Callable[[int], list[str]]], count: int) -> float:
    """Redemptions by PARALLEL clients at once, each durable (fsync) before its answer; wall time."""
    make, codes = server
    environs = [make(code) for code in codes(count)]

    def answered(environ: dict[str, Any]) -> str:
        seen: list[str] = []
        body = make.app.wsgi_app(environ, lambda status, headers, _=None: seen.append(status))
        b"".join(body)
        return seen[0]

    with ThreadPoolExecutor(PARALLEL) as clients:
        list(clients.map(lambda _: None, range(PARALLEL)))
        began = perf_counter()
        statuses = set(clients.map(answered, environs))
        took = perf_counter() - began
    assert statuses == {"200 OK"}, statuses
    return count / took


def measure_tokens(app: Flask, parties: Parties, folder: Path, *, quick: bool) -> Iterator[Result]:
    ours, theirs = our_server(app, parties), authlib_pattern(folder)
    rounds, count = (5, 150) if quick else (9, 400)
    for server in (ours, theirs):
        tokens_per_second(server, 50)
    pairs = [(tokens_per_second(ours, count), tokens_per_second(theirs, count)) for _ in range(rounds)]
    yield Result("tokens, durable, code grant", median(mine for mine, _ in pairs), "/s")
    yield Result("tokens, Authlib's SQLAlchemy mixins", median(other for _, other in pairs), "/s")
    yield Result("ratio, in turns", median(mine / other for mine, other in pairs), "times", TOKENS_BAR)


# --- the steps of a verified request ---


def measure_steps(app: Flask, parties: Parties, *, quick: bool) -> Iterator[Result]:
    services, client, enterprise = parties.services, parties.platform.client(app), parties.enterprise.client()
    request, body = client.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=enterprise)
    headers = {name.lower(): value for name, value in request.headers.items()}
    incoming = IncomingRequest("POST", request.url, headers, body or b"", None)
    answer = GatewayAnswer(200, {"instruction_id": "PAY-0001", "state": "booked"}, {"amount_minor": 1} | DOCUMENT)
    unverified = parse_request(incoming, content=True)
    token = verify.verify_token(services, unverified.token, "payments")
    certificate = verify.verify_api_certificate(services, token, unverified)
    assert unverified.sealed_content is not None
    opened = open_content(services, unverified.sealed_content)
    product = verify.verify_product_certificate(services, token, opened.header["x5t#S256"])

    def chain() -> None:
        verify.verify_api_certificate(services, token, unverified)
        verify.verify_product_certificate(services, token, opened.header["x5t#S256"])
        verify.verify_authorization(services, token, product)

    def check_token() -> None:
        verify.verify_token(services, unverified.token, "payments")
        verify.verify_binding(services, token, unverified, incoming)

    def check_content() -> None:
        signed = verify_content(services, opened, product, token, incoming)
        verify.canonical_document(signed, incoming)

    def respond() -> None:
        sign_response(services, make_response(services, answer, product.x5t_s256), incoming)

    steps: dict[str, Callable[[], object]] = {
        "form": lambda: parse_request(incoming, content=True),
        "token": check_token,
        "chain, both certificates, authorization": chain,
        "message signature": lambda: verify.verify_message(services, certificate, unverified, incoming),
        "decrypt": lambda: open_content(services, unverified.sealed_content),  # type: ignore[arg-type]
        "content signature and document": check_content,
        "answer, sealed and signed": respond,
    }
    with app.test_request_context():
        spent = {name: _microseconds(step, 300 if quick else 1500) for name, step in steps.items()}
    for name, value in spent.items():
        yield Result(f"CPU: {name}", value, "µs")
    yield Result("CPU: all steps of a verified request", sum(spent.values()), "µs", STEPS_BAR, at_least=False)


def _microseconds(step: Callable[[], object], rounds: int) -> float:
    """CPU time per call: the median of nine batches, so that a neighbour's burst does not count."""
    batches = []
    for _ in range(9):
        began = process_time()
        for _ in range(rounds):
            step()
        batches.append((process_time() - began) / rounds * 1e6)
    return median(batches)


def make_services(folder: Path) -> Services:
    """A founded service on SQLite of its own."""
    settings = Settings(
        profile=RunProfile.TEST,
        var=folder / "var",
        database_url=f"sqlite:///{folder}/yunlian.db",
        secret_key="a secret of the benchmark only",
        data_key=bytes(32),
        keystore_passphrase=b"a passphrase of the benchmark",
        root_passphrase=b"a passphrase of the benchmark",
        match_policy="demo",
        liveness_policy="demo",
        log_level="ERROR",
    )
    services = build_services(settings, Clock())
    initialize(services)
    return services


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: less than 50 s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        services = make_services(folder)
        app, parties = create_app(services=services), make_parties(services)
        results = chain(
            measure_tokens(app, parties, folder, quick=options.quick),
            measure_steps(app, parties, quick=options.quick),
        )
        return report(results, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())

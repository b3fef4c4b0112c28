"""Bad input at every public endpoint of every door: a typed refusal each time, never a 500, and nothing is lost.

One table. `who` sends it: a stranger's browser, a phone in the middle of a signing, an officer, or a program.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.certificates.models import CertificateRecord
from app.identity.models import Account, Person, Role, Tenant, TenantKind
from app.oauth.models import Application, Authorization
from app.payments.models import PaymentInstruction
from app.signing.models import Contract, Signature
from app.wiring import Services
from clients.demo.puppet import astronaut, jpeg
from tests.app.identity.people import People
from tests.flows.ceremony import LAST6, Ceremony, give_portrait, register_parties, send_contract

JSON, FORM, MULTIPART, JOSE = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/jose",
)
TABLES = (Tenant, Account, Person, Contract, Signature, CertificateRecord, PaymentInstruction, Application,
          Authorization)  # fmt: skip
TYPED = {400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429}
DEEP = b"[" * 100_000
DEEP_OBJECT = b'{"a":' * 50_000
HUGE = b"9" * 5_000
ZEROS = "0" * 64
_CSRF = re.compile(r'name="csrf[-_]token"\s+(?:value|content)="([^"]+)"')


@dataclass(frozen=True)
class Case:
    """One malformed request; `{sign}` in the path is a live signing link. `statuses` are those that may answer."""

    who: str
    method: str
    path: str
    content_type: str | None = None
    body: bytes = b""
    statuses: frozenset[int] = frozenset(TYPED)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.who} {self.method} {self.path[:60]} {self.content_type or ''} {self.body[:60]!r}"


def case(who: str, call: str, content_type: str | None = None, body: bytes | str | Any = b"", *statuses: int,
         **headers: str) -> Case:  # fmt: skip
    """A line of the table: `call` is method and path; a body that is no text is sent as JSON."""
    method, path = call.split(" ", 1)
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Case(who, method, path, content_type, body, frozenset(statuses or TYPED), names)


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="a.pdf"') -> bytes:
    """One part of a multipart body with boundary `b`."""
    return b"--b\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


def zipped(**members: bytes) -> bytes:
    """A zip of these members, whose names may climb."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("UP", "../"), content)
    return output.getvalue()


LOGIN = [
    case("stranger", "POST /login", FORM, "login=a&password=b&code=000000", 400),  # no CSRF token
    case("stranger", "POST /login", FORM, "csrf_token={csrf}", 422),
    case("stranger", "POST /login", FORM, "csrf_token={csrf}&login=a%00b&password=%00&code=000000", 401, 422),
    case("stranger", "POST /login", FORM, "csrf_token={csrf}&login=%ff%fe&password=%ff&code=000000", 401, 422),
    case("stranger", "POST /login", FORM, f"csrf_token={{csrf}}&login={'a' * 100_000}&password=b&code=000000", 422),
    case("stranger", "POST /login", FORM, f"csrf_token={{csrf}}&login=a&password={'b' * 100_000}&code=1", 422),
    case("stranger", "POST /login", FORM, "csrf_token={csrf}&login=a&password=b&code=²²²²²²", 401, 422),
    case("stranger", "POST /login", FORM, "csrf_token={csrf}&login=a&password=b&code=1&role=operator", 422),
    case("stranger", "POST /login", FORM, "csrf_token={csrf}&login=a&login=b&password=c&code=123456", 401, 422),
    case("stranger", "POST /login", JSON, {"login": "a"}, 422, X_CSRF_Token="{csrf}"),
    case("stranger", "POST /login", MULTIPART, b"--b\r\nnonsense", 400, 422, X_CSRF_Token="{csrf}"),
    case("stranger", "POST /login", FORM, "&" * 50_000, 400, 413),
    case("stranger", "DELETE /login", None, b"", 405),
    case("stranger", "GET /login?next=https://evil.example/%0d%0aSet-Cookie:a=b", None, b"", 200),
    case("stranger", "GET /login?next=%00%ff", None, b"", 400),
    case("stranger", "POST /logout", FORM, "csrf_token={csrf}", 401, 403),
]

SIGNING = [
    case("stranger", "GET /sign/" + "x" * 5_000, None, b"", 404),
    case("stranger", "GET /sign/%00", None, b"", 400),
    case("stranger", "GET /sign/%ff%fe", None, b"", 404),
    case("stranger", "GET /sign/..%2f..%2fetc%2fpasswd", None, b"", 404),
    case("stranger", "POST /sign/unknown/identify", JSON, {"identity_last6": LAST6}, 404, X_CSRF_Token="{csrf}"),
    case("phone", "POST {sign}/identify", JSON, {"identity_last6": LAST6}, 400, X_CSRF_Token="wrong"),
    case("phone", "POST {sign}/identify", JSON, b"", 422),
    case("phone", "POST {sign}/identify", JSON, b"{", 422),
    case("phone", "POST {sign}/identify", JSON, b"null", 422),
    case("phone", "POST {sign}/identify", JSON, b"\xff\xfe{}", 422),
    case("phone", "POST {sign}/identify", JSON, DEEP, 422),
    case("phone", "POST {sign}/identify", JSON, DEEP_OBJECT, 422),
    case("phone", "POST {sign}/identify", JSON, {"identity_last6": 190027}, 422),
    case("phone", "POST {sign}/identify", JSON, {"identity_last6": "19002"}, 422),
    case("phone", "POST {sign}/identify", JSON, {"identity_last6": LAST6 + "\n"}, 422),
    case("phone", "POST {sign}/identify", JSON, {"identity_last6": "１９００２７"}, 422),
    case("phone", "POST {sign}/identify", JSON, {"identity_last6": LAST6, "admin": True}, 422),
    case("phone", "POST {sign}/identify", JSON, b'{"identity_last6": "\\ud800"}', 422),
    case("phone", "POST {sign}/identify", FORM, f"identity_last6={LAST6}", 422),
    case("phone", "GET {sign}/identify", None, b"", 405),
    case("phone", "POST {sign}/read", JSON, {"document_sha256": "g" * 64}, 422),
    case("phone", "POST {sign}/read", JSON, {"document_sha256": ZEROS + "0"}, 422),
    case("phone", "POST {sign}/read", JSON, {"document_sha256": ZEROS}, 409),
    case("phone", "POST {sign}/read", JSON, {"document_sha256": [ZEROS]}, 422),
    case("phone", "POST {sign}/consent", JSON, {"agree": "true"}, 422),
    case(
        "phone",
        "POST {sign}/consent",
        JSON,
        {"consent_sha256": ZEROS, "document_sha256": ZEROS, "agree": False},
        422,
    ),
    case(
        "phone",
        "POST {sign}/consent",
        JSON,
        {"consent_sha256": ZEROS, "document_sha256": ZEROS, "agree": 1},
        422,
    ),
    case("phone", "GET {sign}/pages/0.png", None, b"", 404),
    case("phone", "GET {sign}/pages/-1.png", None, b"", 404),
    case("phone", "GET {sign}/pages/" + "9" * 400 + ".png", None, b"", 404),
    case("phone", "GET {sign}/pages/" + "9" * 5_000 + ".png", None, b"", 404),
    case("phone", "GET {sign}/pages/1.png%00", None, b"", 400),
    case("phone", "GET {sign}/document.pdf", None, b"", 200, 416, Range="bytes=-99999999999999999999"),
    case("phone", "GET {sign}/document.pdf", None, b"", 200, 416, Range="bytes=5-1,x-y,,,"),
    case("phone", "GET {sign}/../../etc/passwd", None, b"", 404),
    case("phone", "GET {sign}/signed.pdf", None, b"", 410),
    case("phone", "POST {sign}/face", JSON, {}, 422),
    case("phone", "POST {sign}/face", MULTIPART, b"", 422),
    case("phone", "POST {sign}/face", MULTIPART, b"--b\r\n\r\n--b--", 422),
    case("phone", "POST {sign}/face", MULTIPART, part(b"{", 'form-data; name="meta"'), 422),
    case("phone", "POST {sign}/face", MULTIPART, part(DEEP, 'form-data; name="meta"'), 422),
    case("phone", "POST {sign}/face", MULTIPART, part(b"x", 'form-data; name="frame"; filename="../../x"'), 422),
    case(
        "phone",
        "POST {sign}/face",
        MULTIPART,
        part(json.dumps({"nonce": "A" * 43, "chain": ZEROS, "frames": []}).encode(), 'form-data; name="meta"'),
        422,
    ),
    case(
        "phone",
        "POST {sign}/face",
        MULTIPART,
        part(
            json.dumps({"nonce": "A" * 43, "chain": ZEROS, "frames": [{"action": 0, "at_ms": 0}]}).encode(),
            'form-data; name="meta"',
        ),
        422,
    ),
    case(
        "phone",
        "POST {sign}/face",
        MULTIPART,
        part(
            b'{"nonce":"'
            + b"A" * 43
            + b'","chain":"'
            + b"0" * 64
            + b'","frames":[{"action":'
            + HUGE
            + b',"at_ms":0}]}',
            'form-data; name="meta"',
        ),
        422,
    ),
    case("phone", "POST {sign}/face", "multipart/form-data", b"no boundary", 400, 422),
    case("phone", "POST {sign}/face", f"multipart/form-data; boundary={'b' * 10_000}", b"x", 400, 422),
    case("phone", "POST {sign}/face/challenge", JSON, b"ignored \xff", 422),
    case("phone", "POST {sign}/key/challenge", JSON, b"{}", 409),
    case("phone", "POST {sign}/key", JSON, {"spki": "!!!", "proof": "AAAA"}, 422),
    case("phone", "POST {sign}/key", JSON, {"spki": "AAAA", "proof": "AA" * 43}, 409, 422),
    case("phone", "POST {sign}/key", JSON, {"spki": "A" * 100_000, "proof": "AA" * 43}, 422),
    case("phone", "POST {sign}/key", JSON, {"spki": "密钥", "proof": None}, 422),
    case("phone", "POST {sign}/signature", JSON, {"signature_id": "0" * 26, "signature": "A" * 86}, 409, 422),
    case("phone", "POST {sign}/signature", JSON, {"signature_id": "\u0000" * 26, "signature": "A" * 86}, 422),
    case("phone", "POST {sign}/signature", JSON, {"signature_id": "../" * 9, "signature": ""}, 422),
    case("phone", "POST {sign}/decline", JSON, {"reason": ""}, 422),
    case("phone", "POST {sign}/decline", JSON, {"reason": "x" * 501}, 422),
    case("phone", "POST {sign}/decline", JSON, {"reason": "\u0000"}, 422),
    case("phone", "PUT {sign}/decline", JSON, b"{}", 400, 405),
]

VERIFY = [
    case("stranger", "POST /verify", MULTIPART, part(b"%PDF-1.7"), 200),  # a program; it needs no CSRF token
    case("upload", "POST /verify", MULTIPART, b"--b--", 422),
    case("upload", "POST /verify", MULTIPART, part(b""), 422),
    case("upload", "POST /verify", MULTIPART, part(b"GIF89a"), 422),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-"), 200),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-1.7\n%%EOF"), 200),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-1.7\nstartxref\n0\n%%EOF"), 200),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-1.7\nstartxref\n" + HUGE + b"\n%%EOF"), 200),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-1.7\n" + DEEP + b"\n%%EOF"), 200),
    case(
        "upload",
        "POST /verify",
        MULTIPART,
        part(b"%PDF-1.7\n1 0 obj " + DEEP + b" endobj\ntrailer<</Root 1 0 R/Size 2>>\nstartxref\n9\n%%EOF"),
        200,
    ),
    case("upload", "POST /verify", MULTIPART, part(b"PK"), 422),
    case("upload", "POST /verify", MULTIPART, part(b"PK\x03\x04" + bytes(300)), 422),
    case("upload", "POST /verify", MULTIPART, part(zipped()), 422),
    case("upload", "POST /verify", MULTIPART, part(zipped(UPUPetcpasswd=b"x")), 422),
    case("upload", "POST /verify", MULTIPART, part(zipped(**{"manifest.json": b"{"})), 422),
    case("upload", "POST /verify", MULTIPART, part(zipped(**{"manifest.json": bytes(20_000_000)})), 422),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-" + bytes(10 * 1024 * 1024)), 422),
    case("upload", "POST /verify", MULTIPART, part(b"%PDF-", 'form-data; name="file"'), 422),  # a field, not a file
    case(
        "upload", "POST /verify", MULTIPART, part(b"%PDF-", 'form-data; name=file; filename="' + "a" * 9_000 + '"'), 200
    ),
    case("upload", "POST /verify", FORM, "file=%25PDF-", 422),
    case("upload", "POST /verify", JSON, b"{", 422),
    case("stranger", "PATCH /verify", None, b"", 405),
]

OAUTH = [
    case("program", "POST /oauth/token", FORM, b"", 400, 401),
    case("program", "POST /oauth/token", JSON, {"grant_type": "client_credentials"}, 400),
    case("program", "POST /oauth/token?grant_type=client_credentials", FORM, b"", 400),
    case("program", "POST /oauth/token", FORM, "grant_type=password&username=a&password=b", 400, 401),
    case("program", "POST /oauth/token", FORM, "grant_type=client_credentials&client_id=%00", 400, 401),
    case("program", "POST /oauth/token", FORM, "grant_type=client_credentials&client_id=%ff%fe", 400, 401),
    case("program", "POST /oauth/token", FORM, "grant_type=a&grant_type=b", 400, 401),
    case("program", "POST /oauth/token", FORM, b"grant_type=" + b"a" * 300_000, 400, 413),
    case(
        "program",
        "POST /oauth/token",
        FORM,
        "grant_type=client_credentials&client_id=a&client_assertion=x.y.z&client_assertion_type="
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        400,
        401,
    ),
    case(
        "program",
        "POST /oauth/token",
        FORM,
        "grant_type=client_credentials&client_id=a&client_assertion=" + "e30" * 9_000 + "..&client_assertion_type="
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        400,
        401,
        413,
    ),
    case("program", "POST /oauth/token", FORM, "client_id=a&client_secret=b", 400, 401, Authorization="Basic !!!"),
    case("program", "POST /oauth/par", FORM, "request_uri=urn:x", 400, 401),
    case("program", "POST /oauth/par", MULTIPART, part(b"x"), 400),
    case("program", "POST /oauth/par", FORM, b"authorization_details=" + DEEP, 400, 401, 413),
    case("program", "POST /oauth/introspect", FORM, "token=%00", 400, 401),
    case("program", "POST /oauth/revoke", FORM, "token=" + "x" * 20_000, 400, 401, 413),
    case("program", "GET /oauth/token", None, b"", 405),
    case("program", "DELETE /oauth/jwks", None, b"", 405),
    case("stranger", "GET /oauth/authorize?request_uri=%00&client_id=%ff", None, b"", 400),
    case("stranger", "POST /oauth/authorize", FORM, "csrf_token={csrf}&request_uri=%00", 401),
]

API = [
    case("program", "POST /api/v1/payments", JSON, b"{", 401),
    case("program", "POST /api/v1/payments", JOSE, b"", 401, Authorization="Bearer"),
    case("program", "POST /api/v1/payments", JOSE, b"x", 401, Authorization="Bearer a.b.c"),
    case("program", "POST /api/v1/payments", JOSE, b"x", 401, Authorization="Bearer " + "a" * 60_000),
    case("program", "POST /api/v1/payments", JOSE, b"x", 401, Authorization="Bearer \xff\xfe"),
    case(
        "program",
        "POST /api/v1/payments",
        JOSE,
        b"x",
        401,
        Authorization="Bearer a.b.c",
        Signature="api=:!!:",
        Signature_Input="api=(",
    ),
    case(
        "program",
        "POST /api/v1/payments",
        JOSE,
        b"x",
        401,
        Authorization="Bearer a.b.c",
        Signature="api=:AA==:",
        Signature_Input='api=("@method");created=' + "9" * 400,
    ),
    case("program", "POST /api/v1/payments", JOSE, bytes(300 * 1024), 413),
    case("program", "POST /api/v1/payments/status", JOSE, DEEP, 401),
    case("program", "POST /api/v1/payments?a=%00%ff", JOSE, b"x", 400),
    case("program", "POST /api/v1/%00", JOSE, b"x", 400),
    case("program", "POST /api/v1/payments/../../../etc/passwd", JOSE, b"x", 404),
    case("program", "POST /api/v1/routing/resolve", JSON, DEEP, 401),
    case("program", "POST /api/v1/routing/resolve", JSON, b'{"text": "\x00\xff"}', 401),
    case("program", "PUT /api/v1/routing/resolve", JSON, b"{}", 405),
]

PKI = [
    case("program", "GET /pki/crl/unknown.crl", None, b"", 404),
    case("program", "GET /pki/crl/%00.crl", None, b"", 400, 404),
    case("program", "GET /pki/crl/%ff.crl", None, b"", 400, 404),
    case("program", "GET /pki/crl/" + "a" * 5_000 + ".crl", None, b"", 400, 404),
    case("program", "GET /pki/crl/..%2f..%2froot.crl", None, b"", 404),
    case("program", "GET /pki/issuers/%00.crt", None, b"", 400, 404),
    case("program", "GET /pki/issuers/../keys.crt", None, b"", 404),
    case("program", "POST /pki/crl/api.crl", None, b"", 405),
    case("program", "POST /pki/ocsp/unknown", "application/ocsp-request", b"0", 404),
    case("program", "POST /pki/ocsp/%00", "application/ocsp-request", b"0", 400, 404),
    case("program", "POST /pki/ocsp/api", "application/ocsp-request", b"", 200),
    case("program", "POST /pki/ocsp/api", "application/ocsp-request", b"\x30\x84\xff\xff\xff\xff", 200),
    case("program", "POST /pki/ocsp/api", "application/ocsp-request", b"\x30\x80" * 5_000, 200),
    case("program", "POST /pki/ocsp/api", "text/plain", b"0", 415),
    case("program", "GET /pki/ocsp/api/!!!", None, b"", 200),
    case("program", "GET /pki/ocsp/api/%00%ff", None, b"", 200, 400, 404),
    case("program", "GET /pki/ocsp/api/" + "QUFB" * 20_000, None, b"", 200, 413),
    case("program", "POST /pki/tsa", "application/timestamp-query", b"", 200),
    case("program", "POST /pki/tsa", "application/timestamp-query", b"\x30\x80" * 20_000, 200),
    case("program", "POST /pki/tsa", "application/timestamp-query", bytes(70_000), 413),
    case("program", "POST /pki/tsa", "application/json", b"{}", 415),
    case("program", "GET /pki/tsa", None, b"", 405),
]

OFFICER = [
    case("officer", "GET /compliance?q=%00", None, b"", 200, 400, 422),
    case("officer", "GET /compliance?q=%ff%fe", None, b"", 200),
    case("officer", "GET /compliance?q=" + "%25_" * 3_000, None, b"", 422),
    case("officer", "GET /compliance?state=%00", None, b"", 200, 400, 422),
    case("officer", "GET /compliance?q='; DROP TABLE contracts; --", None, b"", 200),
    case("officer", "GET /compliance/contracts/%00", None, b"", 400, 404),
    case("officer", "GET /compliance/contracts/..%2f..", None, b"", 404),
    case("officer", "GET /compliance/contracts/" + "0" * 5_000, None, b"", 400, 404),
    case("officer", "POST /compliance/contracts/nothing/verify", FORM, "csrf_token={csrf}", 404),
    case("officer", "POST /compliance/contracts/nothing/evidence", FORM, b"", 400),
    case("officer", "POST /account/password", FORM, "csrf_token={csrf}&current=%00&new=%00%00%00", 401, 422),
    case("officer", "GET /operations/certificates", None, b"", 403),
]

FRAME = [
    case("program", "GET /healthz", None, b"", 200, X_Request_Id="x" * 9_000),
    case("program", "POST /healthz", None, b"", 405),
    case("program", "TRACE /login", None, b"", 400, 405),
    case("program", "GET /static/..%2f..%2fsettings.py", None, b"", 404),
    case("program", "GET /static/%00", None, b"", 400, 404),
    case("program", "GET /static/css/" + "a" * 5_000, None, b"", 404),
    case("program", "GET /%ff%fe", None, b"", 404),
    case("program", "POST /workshop/run", "application/octet-stream", b"\x80\x04.", 403),
    case("program", "POST /workshop/run", "application/octet-stream", b"", 403, X_Workshop_Mac="\xff"),
    case("program", "GET /login", None, b"", 200, Cookie="__Host-yunlian=\xff; __Host-yunlian-form=.a.b"),
    case("program", "GET /login", None, b"", 200, Accept="text/html;q=x, */*;q=99, ,,"),
]

TABLE = [*LOGIN, *SIGNING, *VERIFY, *OAUTH, *API, *PKI, *OFFICER, *FRAME]


class Senders:
    """Who sends the requests of the table, each with cookies and a CSRF token where a browser would have them."""

    def __init__(self, app: Flask, services: Services) -> None:
        self._app = app
        _, person_id = register_parties(services)
        give_portrait(services, person_id, jpeg(astronaut()))
        self.ceremony: Ceremony = send_contract(app, services, person_id)
        people = People(app, services)
        with services.reading() as session:
            bank = session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).one()
        people.add_account("officer", Role.COMPLIANCE_OFFICER, bank)
        self._officer = people.log_in("officer").client
        self._phone = app.test_client()
        self._phone_token = self._csrf_of(self._phone, self.ceremony.path)
        self.identify()

    def identify(self) -> None:
        """The phone is, or is again, in the middle of its signing."""
        body = json.dumps({"identity_last6": LAST6}).encode()
        answer = self._phone.post(
            f"{self.ceremony.path}/identify", data=body, headers=self._headers(self._phone_token),
            base_url="https://localhost",
        )  # fmt: skip
        assert answer.status_code == 200, answer.text

    def send(self, case: Case) -> TestResponse:
        client, token = self._sender(case.who)
        headers = {} if case.who == "program" else self._headers(token if case.who in {"phone", "upload"} else "")
        headers |= {name: value.replace("{csrf}", token) for name, value in case.headers.items()}
        return client.open(
            case.path.replace("{sign}", self.ceremony.path),
            method=case.method,
            data=case.body.replace(b"{csrf}", token.encode()),
            content_type=case.content_type,
            headers={name: value for name, value in headers.items() if value},
            base_url="https://localhost",
        )

    def _sender(self, who: str) -> tuple[FlaskClient, str]:
        if who == "phone":
            return self._phone, self._phone_token
        if who == "officer":
            return self._officer, self._csrf_of(self._officer, "/account")
        client = self._app.test_client()
        return client, "" if who == "program" else self._csrf_of(client, "/login")

    @staticmethod
    def _headers(token: str) -> dict[str, str]:
        return {"Accept": "application/json", "Referer": "https://localhost/", "X-CSRF-Token": token}

    @staticmethod
    def _csrf_of(client: FlaskClient, path: str) -> str:
        page = client.get(path, headers={"Accept": "text/html"}, base_url="https://localhost")
        found = _CSRF.search(page.text)
        assert found, path
        return found[1]


def fault_of(case: Case, answer: TestResponse) -> str | None:
    """What is wrong with an answer; None where it is as it should be."""
    if answer.status_code not in case.statuses:
        return f"{answer.status_code} {answer.get_data()[:200]!r}"
    if "evil.example" in answer.headers.get("Location", "") or "\n" in str(answer.headers.getlist("X-Request-Id")):
        return "repeats what was sent in a header"
    if answer.status_code < 400 or answer.mimetype == "text/html":
        return None
    document = answer.get_json(silent=True) or {}
    if case.path.startswith("/oauth/") and "error" in document:  # RFC 6749 §5.2
        return None
    if answer.mimetype != "application/problem+json" or not document.get("code") or not document.get("zh"):
        return f"untyped: {answer.mimetype} {answer.get_data()[:200]!r}"
    return None


def counts(services: Services) -> dict[str, int]:
    with services.reading() as session:
        return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES}


def test_every_malformed_input_is_refused_as_such_and_nothing_is_lost(
    app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(TABLE) >= 120
    monkeypatch.setattr("app.compliance.strangers.MOST_A_MINUTE", 1000)  # the quota has tests of its own
    senders = Senders(app, services)
    before, contract = counts(services), senders.ceremony.contract
    faults: dict[str, str] = {}
    for case in TABLE:
        if fault := fault_of(case, senders.send(case)):
            faults[str(case)] = fault
    assert not faults, "\n".join(f"{name}\n    {fault}" for name, fault in faults.items())
    assert counts(services) == before
    after = senders.ceremony.contract
    assert (after.state, after.current_sha256, after.ceremony) == (
        contract.state,
        contract.current_sha256,
        contract.ceremony,
    )
    senders.identify()  # and the signing goes on

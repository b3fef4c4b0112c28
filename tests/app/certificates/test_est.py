"""EST (RFC 7030) and the JSON calls, as a client on the platforms' door sees them."""

from __future__ import annotations

import base64
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from flask import Flask
from flask.testing import FlaskClient

from app.certificates import service
from app.certificates.est import RENEWAL_TYPE
from app.certificates.records import x5t_s256
from app.gateway.jose import sign_jwt
from app.security import csrf
from app.wiring import Services
from pki.path import Purpose, validate_path
from tests.app.certificates.helpers import api_code, assert_rows_and_journal_agree, csr, kinds, new_key, product_code
from tests.app.gateway.parties import Parties

EST = "/.well-known/est"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    if "est" not in app.blueprints:
        from app.certificates.est import blueprint

        app.register_blueprint(blueprint)
        csrf.exempt(blueprint)
    return app.test_client()


class Connection:
    """A TLS connection whose client certificate gunicorn has proved."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._der = certificate.public_bytes(Encoding.DER)

    def getpeercert(self, binary: bool) -> bytes:
        return self._der


def body_of(request: bytes) -> bytes:
    return base64.encodebytes(x509.load_pem_x509_csr(request).public_bytes(Encoding.DER))


def send(client: FlaskClient, path: str, request: bytes, **arguments: Any) -> Any:
    return client.post(f"{EST}/{path}", data=request, content_type="application/pkcs10", **arguments)


def certificate_in(answer: Any) -> x509.Certificate:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    [certificate] = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.data))
    return certificate


def own_code(services: Services, parties: Parties) -> str:
    application = parties.platform.application
    return api_code(services, application.tenant_id, application.id)


def test_ca_certificates(services: Services, client: FlaskClient, tmp_path: Path) -> None:
    for path in ("cacerts", "api/cacerts"):
        answer = client.get(f"{EST}/{path}")
        assert answer.mimetype == "application/pkcs7-mime"
        certificates = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.data))
        assert services.hierarchy.root in certificates
        assert len(certificates) == 5
    (tmp_path / "cacerts.p7").write_bytes(base64.b64decode(answer.data))
    shown = subprocess.run(
        ["openssl", "pkcs7", "-inform", "DER", "-in", tmp_path / "cacerts.p7", "-print_certs", "-noout"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Yunlian Root CA" in shown.stdout


def test_csr_attributes(client: FlaskClient, tmp_path: Path) -> None:
    answer = client.get(f"{EST}/csrattrs")
    assert answer.mimetype == "application/csrattrs"
    (tmp_path / "attributes").write_bytes(base64.b64decode(answer.data))
    shown = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER", "-in", tmp_path / "attributes"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in ("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"):
        assert name in shown.stdout


def test_simple_enrolment_by_code(services: Services, parties: Parties, client: FlaskClient) -> None:
    code = own_code(services, parties)
    certificate = certificate_in(send(client, "simpleenroll", body_of(csr()), auth=("anybody", code)))

    validate_path(certificate, services.hierarchy.trust, services.clock(), purpose=Purpose.API)
    again = send(client, "simpleenroll", body_of(csr()), auth=("anybody", code))
    assert again.status_code == 401
    assert again.headers["WWW-Authenticate"].startswith("Basic")
    assert kinds(services)["enrolment-refused"] == 1


def test_unknown_codes_are_journaled_in_bounded_number(
    services: Services, parties: Parties, client: FlaskClient
) -> None:
    code = own_code(services, parties)
    assert send(client, "simpleenroll", body_of(csr()), auth=("anybody", code)).status_code == 200
    for _ in range(3):  # a code that was handed out: a line each
        assert send(client, "simpleenroll", body_of(csr()), auth=("anybody", code)).status_code == 401
    assert kinds(services)["enrolment-refused"] == 3

    product = {"code": "a-code-of-nobody", "sign_csr": csr().decode(), "encrypt_csr": csr().decode()}
    for number in range(10):
        guess = send(client, "simpleenroll", body_of(csr()), auth=("anybody", f"a-guess-of-code-{number}"))
        assert guess.status_code == 401
        assert client.post("/enrol", json={"product": product}).status_code == 403

    assert 3 + 2 <= kinds(services)["enrolment-refused"] < 3 + 20


def test_refusals_of_enrolment(services: Services, parties: Parties, client: FlaskClient) -> None:
    good = ("anybody", own_code(services, parties))
    assert send(client, "simpleenroll", body_of(csr())).status_code == 401
    assert send(client, "simpleenroll", body_of(csr()), auth=("anybody", "")).status_code == 401
    assert send(client, "simpleenroll", b"***", auth=good).status_code == 400
    assert send(client, "simpleenroll", base64.b64encode(b"no CSR"), auth=good).get_json()["code"] == "invalid-csr"
    assert send(client, "simpleenroll", bytes(500_000), auth=good).status_code == 413
    broken = bytearray(base64.b64decode(body_of(csr())))
    broken[-1] ^= 1
    assert send(client, "simpleenroll", base64.b64encode(broken), auth=good).status_code == 422
    taken = send(client, "simpleenroll", body_of(csr(parties.enterprise.sign_key)), auth=good)
    assert (taken.status_code, taken.get_json()["code"]) == (409, "key-reused")
    wrong_type = client.post(f"{EST}/simpleenroll", data=body_of(csr()), content_type="text/plain", auth=good)
    assert wrong_type.status_code == 415
    certificate_in(send(client, "api/simpleenroll", csr(), auth=good))  # the code is still good; PEM is taken too


def test_re_enrolment_by_the_certificate_itself(services: Services, parties: Parties, client: FlaskClient) -> None:
    tls = {"gunicorn.socket": Connection(parties.platform.certificate)}
    renewed = certificate_in(send(client, "simplereenroll", body_of(csr(parties.platform.key)), environ_overrides=tls))
    rekeyed = certificate_in(send(client, "simplereenroll", body_of(csr()), environ_overrides=tls))

    assert renewed.public_key() == parties.platform.certificate.public_key() != rekeyed.public_key()
    assert renewed.subject == rekeyed.subject == parties.platform.certificate.subject
    with services.reading() as session:
        assert service.get_certificate(session, x5t_s256(renewed)).renews == parties.platform.x5t_s256


def test_refusals_of_re_enrolment(services: Services, parties: Parties, client: FlaskClient) -> None:
    def ask(certificate: x509.Certificate, request: bytes) -> Any:
        tls = {"gunicorn.socket": Connection(certificate)}
        return send(client, "simplereenroll", body_of(request), environ_overrides=tls)

    assert send(client, "simplereenroll", body_of(csr())).status_code == 401
    assert ask(services.hierarchy.root, csr()).status_code == 401
    assert ask(parties.enterprise.sign_certificate, csr()).status_code == 401
    # the key of another application
    assert ask(parties.platform.certificate, csr(parties.enterprise.sign_key)).status_code == 409
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "superseded", "test")
    assert ask(parties.platform.certificate, csr()).status_code == 403


def test_both_at_once_by_json(services: Services, parties: Parties, client: FlaskClient) -> None:
    message = {
        "api": {"code": own_code(services, parties), "csr": csr().decode()},
        "product": {
            "code": product_code(services, parties.enterprise.tenant.id),
            "sign_csr": csr().decode(),
            "encrypt_csr": csr().decode(),
        },
    }
    answer = client.post("/enrol", json=message)

    assert answer.status_code == 200, answer.text
    assert set(answer.get_json()) == {"api", "product-sign", "product-encrypt"}
    for issued in answer.get_json().values():
        leaf, _ = x509.load_pem_x509_certificates(issued["chain"].encode())
        assert x5t_s256(leaf) == issued["x5t#S256"]


def test_both_or_nothing(services: Services, parties: Parties, client: FlaskClient) -> None:
    before = assert_rows_and_journal_agree(services)
    code = own_code(services, parties)
    pair = {"code": "no such code", "sign_csr": csr().decode(), "encrypt_csr": csr().decode()}
    refused = client.post("/enrol", json={"api": {"code": code, "csr": csr().decode()}, "product": pair})
    assert (refused.status_code, refused.get_json()["code"]) == (403, "enrolment-code-invalid")
    assert assert_rows_and_journal_agree(services) == before

    chain = client.post(
        "/enrol",
        json={"api": {"code": code, "csr": csr().decode()}},
        headers={"Accept": "application/pem-certificate-chain"},
    )
    assert chain.mimetype == "application/pem-certificate-chain"
    assert len(x509.load_pem_x509_certificates(chain.data)) == 2


@pytest.mark.parametrize("message", [{}, {"api": {}}, {"api": {"code": 12345678, "csr": "x"}}, {"else": 1}, []])
def test_messages_are_strict(client: FlaskClient, message: Any) -> None:
    assert client.post("/enrol", json=message).status_code == 422
    assert client.post("/enrol", data=b"{}").status_code == 415


def renewal(services: Services, parties: Parties, **changes: Any) -> str:
    now = int(services.clock().timestamp())
    claims = {
        "aud": services.settings.issuer_url, "iat": now, "exp": now + 60, "jti": f"{id(changes):032x}",
        "sign_csr": csr().decode(), "encrypt_csr": csr().decode(),
    } | changes  # fmt: skip
    header = {"x5t#S256": x5t_s256(parties.enterprise.sign_certificate)}
    return sign_jwt(parties.enterprise.sign_key, claims, typ=RENEWAL_TYPE, header=header)


def test_a_pair_renews_itself(services: Services, parties: Parties, client: FlaskClient) -> None:
    token = renewal(services, parties)
    answer = client.post("/enrol/renew", data=token, content_type="application/jose")

    assert answer.status_code == 200, answer.text
    name = answer.get_json()["product-sign"]["x5t#S256"]
    with services.reading() as session:
        link = service.read_link(services, session, parties.authorization.id)
    assert link.product.signing.x5t_s256 == name
    assert client.post("/enrol/renew", data=token, content_type="application/jose").status_code == 401


def test_refusals_of_a_pairs_renewal(services: Services, parties: Parties, client: FlaskClient) -> None:
    now = int(services.clock().timestamp())
    old = int((services.clock() - timedelta(minutes=6)).timestamp())
    tokens = [
        renewal(services, parties, aud="https://sandbox.example"),
        renewal(services, parties, iat=old),
        renewal(services, parties, exp=now),
        renewal(services, parties)[:-4] + "AAAA",
        "a.b.c",
        sign_jwt(new_key(), {}, typ=RENEWAL_TYPE, header={"x5t#S256": "0" * 43}),
    ]
    for token in tokens:
        assert client.post("/enrol/renew", data=token, content_type="application/jose").status_code == 401, token
    wrong_claims = renewal(services, parties, jti=1)
    assert client.post("/enrol/renew", data=wrong_claims, content_type="application/jose").status_code == 422
    assert client.post("/enrol/renew", data=tokens[0]).status_code == 415

"""Client certificates: of the TLS connection itself, over real gunicorn, and as a configured proxy tells them."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from yunlian import Platform, Refused

from app.certificates import service as certificates
from app.gateway.transport import find_client_certificate
from pki.keys import KeyType, generate
from tests.app.gateway.parties import ApplicationParty, Parties, _csr, make_parties
from tests.app.gateway.serving import Door, platforms_door

PATH = "/api/v1/payments/status"


@dataclass(frozen=True)
class World:
    door: Door
    parties: Parties
    folder: Path

    def http(self, certificate: x509.Certificate | None = None, key: Any = None) -> httpx.Client:
        """A TLS client that shows this certificate."""
        if certificate is None:
            return httpx.Client(base_url=self.door.url, verify=self.door.context())
        shown, held = self.folder / "shown.pem", self.folder / "shown.key"
        shown.write_bytes(certificate.public_bytes(Encoding.PEM))
        held.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return httpx.Client(base_url=self.door.url, verify=self.door.context(shown, held))

    def platform(self, party: ApplicationParty, http: httpx.Client) -> Platform:
        """The client library over that connection."""
        platform = Platform(self.door.url, party.application.client_id, party.key, party.certificate, self.door.root)
        platform._http = http
        return platform

    def token(self, http: httpx.Client, client_id: str) -> httpx.Response:
        return http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": client_id})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mtls")
    with platforms_door(folder / "var", f"sqlite:///{folder}/var/yunlian.db", 1) as door:
        yield World(door, make_parties(door.services), folder)


def test_the_certificate_shown_in_tls_authenticates_and_binds(world: World) -> None:
    party = world.parties.platform
    with world.http(party.certificate, party.key) as http:
        answer = world.token(http, party.application.client_id)
        assert answer.status_code == 200
        seen = world.platform(party, http).introspect(answer.json()["access_token"])
        assert seen["cnf"] == {"x5t#S256": party.x5t_s256}
        other = world.token(http, world.parties.other_platform.application.client_id)
        assert (other.status_code, other.json()["error"]) == (401, "invalid_client")
    with world.http() as http:
        assert world.token(http, party.application.client_id).json()["error"] == "invalid_client"


def test_a_token_may_be_bound_by_tls_alone(world: World) -> None:
    """A renewed certificate signs while the connection still shows the one that the token names."""
    party, services = world.parties.platform, world.parties.services
    renewed_key = generate(KeyType.EC_P256)
    with services.transaction() as session:
        _, code = certificates.create_enrolment(
            services,
            session,
            profile="api",
            tenant_id=party.application.tenant_id,
            application_id=party.application.id,
            actor="test",
        )
        record = certificates.enrol_api(services, session, code=code, csr=_csr(renewed_key))
    renewed = ApplicationParty(services, party.application, renewed_key, x509.load_der_x509_certificate(record.der))
    token, enterprise = world.parties.token(), world.parties.enterprise.client()

    def refusal(http: httpx.Client) -> str:
        with http, pytest.raises(Refused) as refused:
            world.platform(renewed, http).call(PATH, {"instruction_id": "x"}, token=token, enterprise=enterprise)
        return refused.value.code

    assert refusal(world.http(party.certificate, party.key)) == "not-found"  # through the gate
    assert refusal(world.http()) == "invalid-token"
    other = world.parties.other_platform
    assert refusal(world.http(other.certificate, other.key)) == "invalid-token"


def test_a_product_certificate_is_no_client_certificate(world: World) -> None:
    enterprise = world.parties.enterprise
    with world.http(enterprise.sign_certificate, enterprise.sign_key) as http:
        try:
            answer = world.token(http, world.parties.platform.application.client_id)
        except httpx.TransportError:
            return
        assert answer.json()["error"] == "invalid_client"


def _certificate(world: World, key: Any, issuer_key: Any, issuer: x509.Name, days: int) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.mark.parametrize("kind", ["expired", "unknown"])
def test_expired_and_unknown_certificates_end_in_the_handshake(world: World, kind: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuing = world.parties.services.hierarchy.held("issuing-api")
    if kind == "expired":
        certificate = _certificate(world, key, issuing.key, issuing.certificate.subject, -1)
    else:
        certificate = _certificate(world, key, key, issuing.certificate.subject, 1)
    with world.http(certificate, key) as http, pytest.raises((httpx.TransportError, ssl.SSLError)):
        world.token(http, "x")


def test_a_connection_that_has_ended_meanwhile_shows_none() -> None:
    ended = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    with pytest.raises(ValueError, match="handshake not done yet"):  # as OpenSSL says of a connection torn down, too
        ended.getpeercert(True)
    assert find_client_certificate({"gunicorn.socket": ended}) is None


# --- behind a proxy ---

DER = b"a certificate"
X5T = base64.urlsafe_b64encode(hashlib.sha256(DER).digest()).decode().rstrip("=")
FIELD = f":{base64.b64encode(DER).decode()}:"


@pytest.mark.parametrize(
    ("environ", "proxies", "expected"),
    [
        ({"REMOTE_ADDR": "10.1.2.3", "HTTP_CLIENT_CERT": FIELD}, ("10.1.0.0/16",), X5T),
        ({"REMOTE_ADDR": "::1", "HTTP_CLIENT_CERT": FIELD}, ("::1",), X5T),
        ({"REMOTE_ADDR": "10.2.0.1", "HTTP_CLIENT_CERT": FIELD}, ("10.1.0.0/16",), None),
        ({"REMOTE_ADDR": "10.1.2.3", "HTTP_CLIENT_CERT": FIELD}, (), None),
        ({"REMOTE_ADDR": "", "HTTP_CLIENT_CERT": FIELD}, ("0.0.0.0/0",), None),
        ({"REMOTE_ADDR": "10.1.2.3"}, ("10.1.2.3",), None),
        ({"REMOTE_ADDR": "10.1.2.3", "HTTP_CLIENT_CERT": FIELD.strip(":")}, ("10.1.2.3",), None),
        ({"REMOTE_ADDR": "10.1.2.3", "HTTP_CLIENT_CERT": f"{FIELD}, {FIELD}"}, ("10.1.2.3",), None),
        ({"REMOTE_ADDR": "10.1.2.3", "HTTP_CLIENT_CERT": ":*:"}, ("10.1.2.3",), None),
        ({"REMOTE_ADDR": "10.1.2.3", "HTTP_CLIENT_CERT": f":{'A' * 20_000}:"}, ("10.1.2.3",), None),
        (  # X-Forwarded-For may say what it wants: the connection's own address counts
            {
                "REMOTE_ADDR": "10.1.2.3",
                "HTTP_CLIENT_CERT": FIELD,
                "werkzeug.proxy_fix.orig": {"REMOTE_ADDR": "192.0.2.1"},
            },
            ("10.1.2.3",),
            None,
        ),
    ],
)
def test_client_cert_is_believed_from_configured_addresses_alone(
    environ: dict, proxies: tuple, expected: str | None
) -> None:
    assert find_client_certificate(environ, proxies) == expected

"""The plain-http door, checked by other people's programs: openssl ocsp, openssl ts, rfc3161-client."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from app.certificates import service
from app.wiring import Services
from tests.app.certificates.helpers import kinds
from tests.app.gateway.parties import Parties


def ocsp_request(services: Services, parties: Parties, nonce: bytes | None = None) -> bytes:
    issuer = services.hierarchy.authority("api").certificate
    builder = ocsp.OCSPRequestBuilder().add_certificate(parties.platform.certificate, issuer, hashes.SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def files(services: Services, parties: Parties, tmp_path: Path) -> Path:
    hierarchy = services.hierarchy
    pem = {
        "root": hierarchy.root,
        "api": hierarchy.authority("api").certificate,
        "service": hierarchy.authority("service").certificate,
        "leaf": parties.platform.certificate,
    }
    for name, certificate in pem.items():
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return tmp_path


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The application on a real socket."""
    made = make_server("localhost", 0, app, threaded=True)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{made.server_port}"
    made.shutdown()
    thread.join()


def test_openssl_asks_the_responder(services: Services, parties: Parties, files: Path, server: str) -> None:
    def ask() -> str:
        return openssl(
            "ocsp", "-issuer", files / "api.pem", "-cert", files / "leaf.pem", "-url", f"{server}/pki/ocsp/api",
            "-CAfile", files / "root.pem", "-verify_other", files / "api.pem", "-attime",
            str(int(services.clock().timestamp())), "-validity_period", "2000000000",  # the clock is not the system's
        )  # fmt: skip

    assert "leaf.pem: good" in ask()
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "key_compromise", "test")
    said = ask()
    assert "leaf.pem: revoked" in said
    assert "keyCompromise" in said


def test_get_answers_may_be_cached_and_post_and_nonces_not(
    services: Services, parties: Parties, client: FlaskClient
) -> None:
    path = "/pki/ocsp/api/" + quote(base64.b64encode(ocsp_request(services, parties)).decode(), safe="")
    answer = client.get(path)
    assert answer.mimetype == "application/ocsp-response"
    assert ocsp.load_der_ocsp_response(answer.data).certificate_status is ocsp.OCSPCertStatus.GOOD
    for name in ("Expires", "Last-Modified", "ETag"):
        assert answer.headers[name]
    assert "max-age" in answer.headers["Cache-Control"]
    assert "no-transform" in answer.headers["Cache-Control"]

    nonce = bytes(range(32))
    request = ocsp_request(services, parties, nonce)
    for fresh in (
        client.get("/pki/ocsp/api/" + quote(base64.b64encode(request).decode(), safe="")),
        client.post("/pki/ocsp/api", data=request, content_type="application/ocsp-request"),
    ):
        said = ocsp.load_der_ocsp_response(fresh.data)
        assert said.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
        assert fresh.headers["Cache-Control"] == "no-store"


def test_bad_ocsp_requests(services: Services, parties: Parties, client: FlaskClient) -> None:
    good = ocsp_request(services, parties)
    for bad in (b"", good[:-1], b"\x30\x80", b"x" * 1000):
        answer = client.post("/pki/ocsp/api", data=bad, content_type="application/ocsp-request")
        status = ocsp.load_der_ocsp_response(answer.data).response_status
        assert (answer.status_code, status) == (200, ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    answer = client.post("/pki/ocsp/product", data=good, content_type="application/ocsp-request")
    assert ocsp.load_der_ocsp_response(answer.data).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    assert client.get("/pki/ocsp/api/%21%21").status_code == 200
    assert client.post("/pki/ocsp/nobody", data=good, content_type="application/ocsp-request").status_code == 404
    assert client.post("/pki/ocsp/api", data=good).status_code == 415
    big = client.post("/pki/ocsp/api", data=bytes(65537), content_type="application/ocsp-request")
    assert big.status_code == 413


def test_strangers_requests_are_journaled_in_bounded_number(services: Services, client: FlaskClient) -> None:
    before = kinds(services)["malformed-request"]
    for _ in range(50):
        client.post("/pki/tsa", data=b"nonsense", content_type="application/timestamp-query")

    assert kinds(services)["malformed-request"] - before <= 1


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_openssl_verifies_time_stamps(services: Services, files: Path, client: FlaskClient, digest: str) -> None:
    (files / "data").write_bytes(b"what is stamped")
    openssl("ts", "-query", "-data", files / "data", f"-{digest}", "-cert", "-out", files / "query")

    answer = client.post("/pki/tsa", data=(files / "query").read_bytes(), content_type="application/timestamp-query")

    assert answer.mimetype == "application/timestamp-reply"
    (files / "reply").write_bytes(answer.data)
    said = openssl(
        "ts", "-verify", "-queryfile", files / "query", "-in", files / "reply", "-CAfile", files / "root.pem",
        "-untrusted", files / "service.pem", "-attime", str(int(services.clock().timestamp())),
    )  # fmt: skip
    assert "Verification: OK" in said


def test_rfc3161_client_verifies_time_stamps(services: Services, client: FlaskClient) -> None:
    data = b"what is stamped"
    request = rfc3161_client.TimestampRequestBuilder().data(data).nonce(nonce=True).build()

    answer = client.post("/pki/tsa", data=request.as_bytes(), content_type="application/timestamp-query")

    hierarchy = services.hierarchy
    verifier = (
        rfc3161_client.VerifierBuilder.from_request(request)
        .add_root_certificate(hierarchy.root)
        .add_intermediate_certificate(hierarchy.authority("service").certificate)
        .build()
    )
    response = rfc3161_client.decode_timestamp_response(answer.data)
    assert verifier.verify(response, hashlib.sha512(data).digest())


def test_bad_time_stamp_requests(client: FlaskClient) -> None:
    for bad in (b"", b"\x30\x03\x02\x01\x01", b"x" * 500):
        answer = client.post("/pki/tsa", data=bad, content_type="application/timestamp-query")
        assert answer.status_code == 200
        assert rfc3161_client.decode_timestamp_response(answer.data).status == 2  # rejection
    assert client.post("/pki/tsa", data=b"").status_code == 415
    assert client.post("/pki/tsa", data=bytes(65537), content_type="application/timestamp-query").status_code == 413


def test_crls_and_issuers_are_served_and_conditional(services: Services, client: FlaskClient) -> None:
    for name in ("api", "product", "signer", "service", "root"):
        crl = client.get(f"/pki/crl/{name}.crl")
        assert crl.mimetype == "application/pkix-crl"
        x509.load_der_x509_crl(crl.data)
        again = client.get(f"/pki/crl/{name}.crl", headers={"If-None-Match": crl.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        certificate = client.get(f"/pki/issuers/{name}.crt")
        assert certificate.mimetype == "application/pkix-cert"
        x509.load_der_x509_certificate(certificate.data)
    delta = x509.load_der_x509_crl(client.get("/pki/crl/api-delta.crl").data)
    assert delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).critical
    for missing in ("/pki/crl/nobody.crl", "/pki/crl/nobody-delta.crl", "/pki/crl/root-delta.crl",
                    "/pki/issuers/nobody.crt"):  # fmt: skip
        assert client.get(missing).status_code == 404


def test_openssl_verifies_with_full_and_delta_crl(
    services: Services, parties: Parties, files: Path, client: FlaskClient
) -> None:
    """What was revoked after the base CRL is refused by openssl that knows base and delta."""
    base = client.get("/pki/crl/api.crl").data
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "key_compromise", "test")
    delta = client.get("/pki/crl/api-delta.crl").data
    crls = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in (base, delta)]
    (files / "crls.pem").write_bytes(b"".join(crls))
    command = [
        "openssl", "verify", "-CAfile", files / "root.pem", "-untrusted", files / "api.pem", "-crl_check",
        "-CRLfile", files / "crls.pem", "-attime", str(int(services.clock().timestamp())),
    ]  # fmt: skip

    with_base = subprocess.run([*command, files / "leaf.pem"], capture_output=True, text=True, check=False)
    with_delta = subprocess.run(
        [*command, "-use_deltas", "-extended_crl", files / "leaf.pem"], capture_output=True, text=True, check=False
    )

    assert with_base.returncode == 0, with_base.stderr
    assert "certificate revoked" in with_delta.stdout + with_delta.stderr


# --- the journal's heads --------------------------------------------------------------------------------------------


def test_heads_and_consistency_are_public(services: Services, client: FlaskClient) -> None:
    assert client.get("/pki/journal/checkpoint").status_code == 404
    size = services.journal.seal()
    note = client.get("/pki/journal/checkpoint")
    assert note.mimetype == "text/plain"
    assert f"/journal\n{size}\n" in note.text
    proof = client.get(f"/pki/journal/consistency?from=1&to={size}").get_json()
    assert proof["to"] == size
    assert all(len(bytes.fromhex(node)) == 32 for node in proof["proof"])
    assert client.get(f"/pki/journal/consistency?from=1&to={size + 1}").status_code == 422
    assert client.get("/pki/journal/consistency?from=x&to=2").status_code == 422
    assert client.get("/pki/journal/checkpoint?witnessed=1").status_code == 404


def test_cosignatures_of_strangers_are_refused(services: Services, client: FlaskClient) -> None:
    services.journal.seal()
    note = client.get("/pki/journal/checkpoint").data
    assert client.post("/pki/journal/cosignature", data=note).status_code == 422
    assert client.post("/pki/journal/cosignature", data=b"\xff").status_code == 422
    assert client.post("/pki/journal/cosignature", data=bytes(20000)).status_code == 413

"""The examples that RFC 9449, RFC 8705 and RFC 9126 print, held against our code."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from app.gateway.encoding import base64url
from app.gateway.jose import JoseError, parse_jws, parse_public_jwk, thumbprint
from app.oauth.dpop import InvalidProof, NonceNeeded, verify_proof
from app.oauth.messages import parse_parameters
from tests.app.gateway.parties import REDIRECT_URI, Parties

# RFC 9449 §4.1 figure 2 and §7.1 figure 12: the same key, without and with an access token.
PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyV"
    "VFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiIt"
    "QndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2"
    "fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
JWK = {
    "kty": "EC",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    "crv": "P-256",
}
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"  # RFC 9449 §6.1
ISSUED = datetime.fromtimestamp(1562262616, UTC)


@dataclass
class At:
    """Services of which verifying a proof needs the clock and the secret alone."""

    now: datetime
    settings: Any

    def clock(self) -> datetime:
        return self.now


def test_rfc_9449_the_proof_of_figure_2_is_good_but_for_the_nonce(parties: Parties) -> None:
    assert parse_jws(PROOF, typ={"dpop+jwt"}, limit=4096).verify(parse_public_jwk(JWK)) == {
        "jti": "-BwC3ESc6acc2lTc",
        "htm": "POST",
        "htu": "https://server.example.com/token",
        "iat": 1562262616,
    }
    at: Any = At(ISSUED, parties.services.settings)
    asked = {"method": "POST", "target_uri": "https://server.example.com/token"}
    with pytest.raises(NonceNeeded):
        verify_proof(at, PROOF, **asked)
    for changes in ({"method": "GET"}, {"target_uri": "https://server.example.com/other"}, {"jkt": "x" * 43}):
        with pytest.raises(InvalidProof, match=r"htm|another key"):
            verify_proof(at, PROOF, **asked | changes)
    with pytest.raises(InvalidProof, match="iat"):
        verify_proof(replace(at, now=datetime(2026, 1, 1, tzinfo=UTC)), PROOF, **asked)


@pytest.mark.parametrize("place", [10, 200, len(PROOF) - 60])
def test_rfc_9449_one_character_changed(place: int) -> None:
    changed = PROOF[:place] + ("A" if PROOF[place] != "A" else "B") + PROOF[place + 1 :]
    with pytest.raises(JoseError):
        parse_jws(changed, typ={"dpop+jwt"}, limit=4096).verify(parse_public_jwk(JWK))


def test_rfc_9449_the_thumbprint_of_section_6() -> None:
    assert thumbprint(JWK) == JKT


def test_rfc_9449_the_digest_of_the_access_token_of_section_7() -> None:
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    assert base64url(hashlib.sha256(token.encode()).digest()) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_rfc_8705_cnf_names_the_certificate_by_the_digest_of_its_der(parties: Parties, app: Flask) -> None:
    """§3.1: `cnf` of the token, and §3.2: of introspection, are base64url of the SHA-256 of the DER."""
    token = parties.token("routing", authorization=None)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    certificate: x509.Certificate = parties.platform.certificate
    expected = base64url(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())
    assert claims["cnf"] == {"x5t#S256": expected}
    assert parties.platform.client(app).introspect(token)["cnf"] == {"x5t#S256": expected}
    metadata = parties.platform.client(app).metadata
    assert metadata["tls_client_certificate_bound_access_tokens"] is True  # §3.3
    assert metadata["mtls_endpoint_aliases"]["token_endpoint"].endswith("/oauth/token")  # §5


def test_rfc_9126_the_answer_of_section_2_2_and_the_authorization_request_of_section_4(
    app: Flask, parties: Parties
) -> None:
    details = {
        "uscc": parties.enterprise.tenant.uscc,
        "product": "payments",
        "limits": {"single_minor": 1, "daily_minor": 2},
    }
    asked = parties.platform.client(app).push_authorization(details, REDIRECT_URI)
    query = parse_parameters([pair.split("=") for pair in asked.url.partition("?")[2].split("&")])  # type: ignore[misc]
    assert set(query) == {"client_id", "request_uri"}
    assert query["request_uri"].startswith("urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A")


def test_rfc_9126_wrong_methods_are_405_and_large_requests_413(app: Flask) -> None:
    """§2.3."""
    assert app.test_client().get("/oauth/par").status_code == 405
    sent = app.test_client().post("/oauth/par", data={"state": "x" * 40_000})
    assert sent.status_code == 413

"""The platform's side: tokens, authorizations of enterprises, signed calls and verified answers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from cryptography import x509
from joserfc.jwk import import_key

from yunlian import tokens
from yunlian.dpop import Prover
from yunlian.enterprise import Enterprise
from yunlian.errors import AnswerNotTrusted, OAuthRefused, Refused
from yunlian.keys import JoseKey, PrivateKey, load_certificate, load_private_key, x5t_s256
from yunlian.messages import Request, Response, sign_request, verify_answer, verify_callback
from yunlian.remote import RemoteEnterprise

ASSERTION_LIFETIME = 60  # seconds
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


Product = Enterprise | RemoteEnterprise
"""Who signs content: keys of one's own, or the enterprise's agent."""


@dataclass(frozen=True)
class Token:
    """An access token; `refresh_token` only where an enterprise authorized it."""

    access_token: str
    scope: str
    expires_in: int
    refresh_token: str | None = None
    authorization_details: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class AuthorizationRequest:
    """Where to send the enterprise's representative, and what to keep until they come back."""

    url: str
    state: str
    code_verifier: str
    redirect_uri: str


@dataclass(frozen=True)
class Answer:
    """An answer that the bank signed for this very request; `sealed` is what it sealed for the enterprise, opened."""

    status: int
    body: dict[str, Any]
    sealed: dict[str, Any] | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Callback:
    """News that the bank signed. It may come twice: who has dealt with this `event_id` answers 200 and does nothing."""

    event_id: str
    body: dict[str, Any]
    sealed: dict[str, Any] | None


class Platform:
    """One application (`client_id`) with its API certificate, at one issuer (sandbox or production).

    With a `dpop_key`, tokens are bound to that key (RFC 9449) and not to the API certificate.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        api_key: Path | str | bytes | PrivateKey,
        api_certificate: Path | str | bytes | x509.Certificate,
        ca_file: Path | None = None,
        *,
        dpop_key: PrivateKey | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.issuer = issuer.rstrip("/")
        self.client_id = client_id
        self._key = load_private_key(api_key)
        self._x5t = x5t_s256(load_certificate(api_certificate))
        self._clock = clock
        self._prover = Prover(dpop_key, clock) if dpop_key is not None else None
        trust = ssl.create_default_context(cafile=ca_file)
        self._http = httpx.Client(base_url=self.issuer, verify=trust, transport=transport, timeout=30)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Platform:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what the bank publishes ---

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """RFC 8414 metadata. Raises AnswerNotTrusted where it names another issuer."""
        document = self._get_json("/.well-known/oauth-authorization-server")
        if document.get("issuer") != self.issuer:
            raise AnswerNotTrusted("the metadata is of another issuer")
        return document

    @cached_property
    def _bank_keys(self) -> list[dict[str, Any]]:
        keys: list[dict[str, Any]] = self._get_json(self.metadata["jwks_uri"])["keys"]
        return keys

    def _verification_keys(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """The bank's keys, fetched anew where the message names one that is not known yet: keys are renewed."""
        known = {key["kid"]: _public_key(key) for key in self._bank_keys if key.get("use") == "sig"}
        named = re.search(r';keyid="([^"]+)"', headers.get("Signature-Input", ""))
        if named is not None and named[1] not in known:
            # With the metadata, which say again whose keys these are: another bank's are never taken.
            del self.metadata, self._bank_keys
            known = {key["kid"]: _public_key(key) for key in self._bank_keys if key.get("use") == "sig"}
        return known

    def _encryption_key(self) -> tuple[JoseKey, str, str]:
        jwk = next(key for key in self._bank_keys if key.get("use") == "enc")
        key: Any = import_key(jwk)
        return key, jwk["alg"], jwk["kid"]

    # --- tokens ---

    def token(self, scope: str = "routing") -> Token:
        """A token of the platform itself (client_credentials). Raises OAuthRefused."""
        return self._token({"grant_type": "client_credentials", "scope": scope})

    def push_authorization(
        self, details: Mapping[str, Any], redirect_uri: str, scope: str | None = None
    ) -> AuthorizationRequest:
        """Push a request for one `product_access` (RFC 9126, RFC 9396). Raises OAuthRefused."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(18)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        form = {
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([{"type": "product_access", **details}]),
        }
        if scope is not None:
            form["scope"] = scope
        pushed = self._post_form("pushed_authorization_request_endpoint", form)
        query = urlencode({"client_id": self.client_id, "request_uri": pushed["request_uri"]})
        url = f"{self.metadata['authorization_endpoint']}?{query}"
        return AuthorizationRequest(url, state, verifier, redirect_uri)

    def exchange(self, request: AuthorizationRequest, callback_url: str) -> Token:
        """The token for the code with which the representative came back. Raises OAuthRefused, AnswerNotTrusted."""
        values = {name: found[0] for name, found in parse_qs(urlsplit(callback_url).query).items()}
        if values.get("state") != request.state or values.get("iss") != self.issuer:
            raise AnswerNotTrusted("state or iss is not that of the request")
        if "error" in values:
            raise OAuthRefused(values["error"], values.get("error_description", ""))
        return self._token(
            {
                "grant_type": "authorization_code",
                "code": values.get("code", ""),
                "redirect_uri": request.redirect_uri,
                "code_verifier": request.code_verifier,
            }
        )

    def refresh(self, refresh_token: str) -> Token:
        """A fresh access token; the refresh token stays the same. Raises OAuthRefused."""
        return self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def introspect(self, token: str) -> dict[str, Any]:
        """What the server says about one of this client's tokens (RFC 7662)."""
        return self._post_form("introspection_endpoint", {"token": token})

    def revoke(self, token: str) -> None:
        """Give a token back (RFC 7009)."""
        self._post_form("revocation_endpoint", {"token": token})

    # --- protected calls ---

    def call(
        self,
        path: str,
        document: Mapping[str, Any] | None,
        *,
        token: str,
        enterprise: Product | None = None,
    ) -> Answer:
        """POST a document, sealed by the enterprise where one is given; GET where there is no document.

        Returns only answers whose signature by the bank, bound to this request, was verified.
        Raises Refused, AnswerNotTrusted, httpx.HTTPError.
        """
        try:
            request, body = self.prepare(path, document, token=token, enterprise=enterprise)
            return self.send(request, body, enterprise)
        except Refused as refusal:
            if refusal.code != "use-dpop-nonce":
                raise
        request, body = self.prepare(path, document, token=token, enterprise=enterprise)
        return self.send(request, body, enterprise)

    def prepare(
        self,
        path: str,
        document: Mapping[str, Any] | None,
        *,
        token: str,
        enterprise: Product | None = None,
    ) -> tuple[Request, bytes | None]:
        """The signed request and its body, not sent yet."""
        method, url, now = "GET" if document is None else "POST", self.issuer + path, self._clock()
        headers, body = {"Authorization": f"Bearer {token}"}, None
        if self._prover is not None:
            headers = {"Authorization": f"DPoP {token}", "DPoP": self._prover.proof(method, url, token)}
        if document is not None and enterprise is not None:
            headers["Content-Type"] = "application/jose"
            content = enterprise.content(
                document, issuer=self.issuer, client_id=self.client_id, method=method, url=url, now=now
            )
            bank_key, algorithm, kid = self._encryption_key()
            body = tokens.encrypt(content.encode(), bank_key, algorithm, {"kid": kid, "cty": "JWT"}).encode()
        elif document is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(document, ensure_ascii=False).encode()
        request = Request(method, url, headers)
        sign_request(request, body, self._key, self._x5t, now)
        return request, body

    def send(self, request: Request, body: bytes | None, enterprise: Product | None = None) -> Answer:
        """Send a prepared request and verify the answer. Raises as `call`."""
        response = self._http.request(request.method, request.url, headers=request.headers, content=body)
        self._keep_nonce(response)
        answer = Response(response.status_code, dict(response.headers), request)
        verify_answer(answer, response.content, self._verification_keys(response.headers), self._clock)
        content: dict[str, Any] = response.json()
        if response.status_code >= 400:
            raise Refused(response.status_code, content)
        sealed = enterprise.open(content["sealed"]) if enterprise is not None and "sealed" in content else None
        return Answer(response.status_code, content, sealed, response.headers)

    def read_callback(
        self, url: str, headers: Mapping[str, str], body: bytes, enterprise: Product | None = None
    ) -> Callback:
        """What the bank POSTed to the registered `url`, its sealed part opened where the enterprise is given.

        Raises AnswerNotTrusted.
        """
        told = httpx.Headers(headers)
        verify_callback(Request("POST", url, told), body, self._verification_keys(told), self._clock)
        content: dict[str, Any] = json.loads(body)
        sealed = enterprise.open(content["sealed"]) if enterprise is not None and "sealed" in content else None
        return Callback(content["event_id"], content, sealed)

    # --- what they share ---

    def _token(self, form: dict[str, str]) -> Token:
        issued = self._post_form("token_endpoint", form)
        return Token(
            issued["access_token"],
            issued["scope"],
            issued["expires_in"],
            issued.get("refresh_token"),
            tuple(issued.get("authorization_details", ())),
        )

    def _post_form(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        try:
            return self._post_form_once(endpoint, form)
        except OAuthRefused as refusal:
            if refusal.error != "use_dpop_nonce":
                raise
        return self._post_form_once(endpoint, form)

    def _post_form_once(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        now = int(self._clock().timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(18),
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        }
        header = {"typ": "client-authentication+jwt", "kid": self._x5t}
        authentication = {
            "client_id": self.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": tokens.sign(self._key, claims, header),
        }
        url = self.metadata[endpoint]
        headers = {"DPoP": self._prover.proof("POST", url)} if self._prover is not None else {}
        response = self._http.post(url, data=form | authentication, headers=headers)
        self._keep_nonce(response)
        content: dict[str, Any] = response.json()
        if response.status_code >= 400:
            raise OAuthRefused(
                str(content.get("error", response.status_code)), str(content.get("error_description", ""))
            )
        return content

    def _keep_nonce(self, response: httpx.Response) -> None:
        if self._prover is not None and "DPoP-Nonce" in response.headers:
            self._prover.nonce = response.headers["DPoP-Nonce"]

    def _get_json(self, url: str) -> dict[str, Any]:
        response = self._http.get(url)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document


def _public_key(jwk: dict[str, Any]) -> Any:
    key: Any = import_key(jwk)
    return key.public_key

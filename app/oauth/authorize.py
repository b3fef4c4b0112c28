"""The authorization endpoint's two halves: what a person is asked, and what follows from the answer (RFC 6749 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Response
from sqlalchemy.orm import Session

from app.identity.models import Account
from app.oauth import step_up
from app.oauth.authorizations import effective_limits, find_product_certificate, grant_authorization
from app.oauth.details import Limits, ProductAccess
from app.oauth.messages import FormRequest
from app.oauth.models import Application, PushedRequest
from app.oauth.par import find_pushed, spend_pushed
from app.oauth.problems import AnotherEnterprise, NoProductCertificate, RequestExpired
from app.oauth.server import Server
from app.oauth.step_up import ConsentAct, find_representative, shown_digest
from app.oauth.wording import authorization_wording
from pki.profiles import Custody

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class Consent:
    """Everything that the person must see before deciding. Limits are fen, and already what will be granted.

    `act` is what a face check confirms: these very facts, and the wording.
    """

    client_id: str
    request_uri: str
    act: ConsentAct
    platform: str
    application: str
    product: str
    limits: Limits
    custody: Custody
    expires_at: datetime
    redirect_origin: str


def describe(services: Services, session: Session, account: Account, client_id: str, request_uri: str) -> Consent:
    """Raises RequestExpired, AnotherEnterprise, NoProductCertificate."""
    pushed, details = _find(services, session, account, client_id, request_uri)
    certificate = find_product_certificate(services, session, account.tenant_id, details.product)
    if certificate is None:
        raise NoProductCertificate("the enterprise has no good certificate for this product")
    application = session.get_one(Application, pushed.application_id)
    custody = Custody(certificate.custody or "")
    redirect = urlsplit(pushed.parameters["redirect_uri"])
    limits, origin = effective_limits(details.limits, custody), f"{redirect.scheme}://{redirect.netloc}"
    facts = {
        "client_id": client_id,
        "platform": application.tenant.name,
        "application": application.name,
        "enterprise": account.tenant.name,
        "uscc": account.tenant.uscc,
        "product": details.product,
        "limits": limits.model_dump(),
        "custody": str(custody),
        "product_x5t_s256": certificate.x5t_s256,
        "term_days": details.term_days,
        "redirect_origin": origin,
    }
    return Consent(
        client_id=client_id,
        request_uri=request_uri,
        act=ConsentAct(
            subject=pushed.uri_sha256.hex(),
            person_id=find_representative(session, account.tenant_id),
            shown=shown_digest(facts),
            wording=authorization_wording().sha256,
        ),
        platform=application.tenant.name,
        application=application.name,
        product=details.product,
        limits=limits,
        custody=custody,
        expires_at=services.clock() + timedelta(days=details.term_days),
        redirect_origin=origin,
    )


def decide(
    services: Services,
    session: Session,
    account: Account,
    client_id: str,
    request_uri: str,
    *,
    approved: bool,
    holder: str,
) -> Response:
    """Use up the request and send the person back with a code or `access_denied`, and `iss` (RFC 9207).

    `holder` is the digest of the log-in session, whose face check counts. Raises RequestExpired, AnotherEnterprise,
    NoProductCertificate, ApplicationDisabled, FaceCheckNeeded, NoRepresentative; then nothing is used up.
    """
    pushed, details = _find(services, session, account, client_id, request_uri)
    act = describe(services, session, account, client_id, request_uri).act if approved else None
    confirmed = step_up.confirm(services, session, act, holder=holder) if act is not None else None
    if not spend_pushed(services, session, pushed):
        raise RequestExpired("the request was decided before")
    parameters = {name: value for name, value in pushed.parameters.items() if name != "details"}
    form = FormRequest("POST", f"{services.settings.people_url}/oauth/authorize", parameters)
    form.payload.data["client_id"] = client_id
    server = Server(services, session)
    grant = server.get_authorization_grant(form)
    authorization = None
    if act is not None:
        authorization = grant_authorization(
            services,
            session,
            application_id=pushed.application_id,
            tenant_id=account.tenant_id,
            product=details.product,
            limits=details.limits,
            term_days=details.term_days,
            granted_by=account.id,
            consent_sha256=act.digest,
            face_check_id=confirmed.id if confirmed is not None else None,
        )
    else:
        body = {"product": details.product, "enterprise": account.tenant_id}
        services.journal.append(
            session, "authorization-denied", subject=pushed.application_id, actor=account.id, body=body
        )
    response: Response = server.create_authorization_response(form, grant_user=authorization, grant=grant)
    return response


def _find(
    services: Services, session: Session, account: Account, client_id: str, request_uri: str
) -> tuple[PushedRequest, ProductAccess]:
    pushed = find_pushed(services, session, client_id, request_uri)
    if pushed is None:
        raise RequestExpired("the request is unknown, used or expired")
    details = ProductAccess.model_validate(pushed.parameters["details"])
    if details.uscc != account.tenant.uscc:
        raise AnotherEnterprise("the request is about another enterprise")
    return pushed, details

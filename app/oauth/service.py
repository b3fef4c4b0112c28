"""Use cases of platforms and enterprises around authorizations, in the order of their life."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity.models import Tenant, TenantKind
from app.oauth.authorizations import (
    PLATFORM_CUSTODY_LIMITS,
    effective_limits,
    find_product_certificate,
    grant_authorization,
    list_authorizations,
    revoke_authorization,
)
from app.oauth.details import Limits, ProductAccess
from app.oauth.models import Application
from app.oauth.scopes import BANK_SCOPES, PLATFORM_SCOPES
from app.problems import Fault, InvalidInput, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

__all__ = [
    "PLATFORM_CUSTODY_LIMITS",
    "Limits",
    "ProductAccess",
    "disable_application",
    "effective_limits",
    "find_product_certificate",
    "get_application",
    "grant_authorization",
    "list_applications",
    "list_authorizations",
    "register_application",
    "revoke_authorization",
]

_MAX_REDIRECT_URIS = 10
_SCOPES_OF = {TenantKind.PLATFORM: PLATFORM_SCOPES, TenantKind.BANK: BANK_SCOPES}
_VISIBLE = re.compile(r"[!-~]{1,500}")


def register_application(
    services: Services,
    session: Session,
    *,
    tenant_id: str,
    name: str,
    redirect_uris: Sequence[str],
    scopes: Sequence[str],
    actor: str,
) -> Application:
    """A new OAuth client of a platform, or of the bank itself; its keys come with its API certificates.

    Raises NotFound, InvalidInput.
    """
    tenant = session.get(Tenant, tenant_id)
    if tenant is None or tenant.kind not in _SCOPES_OF:
        raise NotFound("no such platform")
    _check_registration(name, redirect_uris, scopes, _SCOPES_OF[TenantKind(tenant.kind)])
    application = Application(
        id=new_id(),
        client_id=f"app-{new_id()}",
        tenant=tenant,
        name=name.strip(),
        redirect_uris=list(dict.fromkeys(redirect_uris)),
        scopes=sorted(set(scopes)),
        created_at=services.clock(),
        disabled_at=None,
    )
    session.add(application)
    session.flush()
    body = {"client_id": application.client_id, "tenant": tenant_id, "scopes": application.scopes}
    services.journal.append(session, "application-registered", subject=application.id, actor=actor, body=body)
    return application


def get_application(session: Session, client_id: str) -> Application:
    """The application with this client_id. Raises NotFound."""
    application = session.scalars(select(Application).where(Application.client_id == client_id)).first()
    if application is None:
        raise NotFound("no such application")
    return application


def list_applications(session: Session, *, tenant_id: str) -> list[Application]:
    """The applications of a platform, oldest first."""
    query = select(Application).where(Application.tenant_id == tenant_id).order_by(Application.id)
    return list(session.scalars(query))


def disable_application(services: Services, session: Session, application_id: str, *, actor: str) -> None:
    """Switch an application off: it gets no tokens, and those that are out end on all workers within half a second.

    Raises NotFound where there is no such application or it is off already.
    """
    disabled = session.scalar(
        update(Application)
        .where(Application.id == application_id, Application.disabled_at.is_(None))
        .values(disabled_at=services.clock())
        .returning(Application.id)
    )
    if disabled is None:
        raise NotFound("no such application that is on")
    services.epoch.bump(session)
    services.journal.append(session, "application-disabled", subject=application_id, actor=actor, body={})


def _check_registration(
    name: str, redirect_uris: Sequence[str], scopes: Sequence[str], allowed: frozenset[str]
) -> None:
    faults = []
    if not 1 <= len(name.strip()) <= 100 or not name.isprintable():
        faults.append(Fault("/name", "1 to 100 printable characters"))
    if len(redirect_uris) > _MAX_REDIRECT_URIS:
        faults.append(Fault("/redirect_uris", f"at most {_MAX_REDIRECT_URIS}"))
    for index, uri in enumerate(redirect_uris):
        if not _is_redirect_uri(uri):
            faults.append(Fault(f"/redirect_uris/{index}", "an absolute https URI without fragment"))
    if not scopes or not allowed.issuperset(scopes):
        faults.append(Fault("/scopes", f"one or more of {', '.join(sorted(allowed))}"))
    if faults:
        raise InvalidInput("the application cannot be registered like this", faults=tuple(faults))


def _is_redirect_uri(uri: str) -> bool:
    """FAPI 2.0 §5.3.2.2 and RFC 6749 §3.1.2: https, absolute, no fragment; later compared character by character."""
    if not _VISIBLE.fullmatch(uri) or '"' in uri or "\\" in uri:
        return False
    try:
        parts = urlsplit(uri)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and parts.port != 0
            and "#" not in uri
            and "@" not in parts.netloc
        )
    except ValueError:
        return False

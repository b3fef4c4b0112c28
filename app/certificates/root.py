"""What the root's key does after the founding: two officers decide, then it is done once, at the command.

The decision is made where officers work (proposed by one, confirmed by another); only the command that carries it out
opens the root's key. Revoking an issuing authority takes effect with the confirmation; `publish_crl` tells the world.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.certificates.founding import add_generation, open_root, publish_root_crl
from app.certificates.hierarchy import generation_of
from app.certificates.models import CertificateRecord, CertificateState, CrlSeries, PublishedCrl, RootOperation
from app.certificates.problems import NotDecided, StateNotFitting
from app.certificates.published import revoked_entries
from app.certificates.queries import get_certificate
from app.certificates.records import x5t_s256
from app.certificates.state import revoke_authority
from app.identity import decisions
from app.identity.models import Account, Decision, DecisionState, Role
from app.problems import InvalidInput
from pki.authority import ROOT_NAME, role_of
from pki.profiles import IssuingRole

if TYPE_CHECKING:
    from app.wiring import Services

SIGN_ISSUING, REVOKE_ISSUING = "sign-issuing", "revoke-issuing"
DECISION_LIFETIME = timedelta(days=30)  # a confirmed decision that nobody carried out ends
AUTHORITY_REASONS = ("ca_compromise", "superseded", "cessation_of_operation", "affiliation_changed")


def propose_generation(services: Services, session: Session, role: str, reason: str, account: Account) -> Decision:
    """Ask a second certificate officer for a further generation of an issuing authority. Raises NotAllowed."""
    if role not in list(IssuingRole):
        raise InvalidInput(f"the role is one of {', '.join(IssuingRole)}")
    payload = {"role": role, "subject": _next_name(services, IssuingRole(role))}
    return decisions.propose(services, session, SIGN_ISSUING, payload, reason, account)


def propose_authority_revocation(
    services: Services, session: Session, name: str, code: str, reason: str, account: Account
) -> Decision:
    """Ask a second certificate officer to revoke an issuing authority. Raises NotAllowed, StateNotFitting."""
    authority = services.hierarchy.find_authority(name)
    if authority is None or code not in AUTHORITY_REASONS:
        raise InvalidInput(f"an authority's name, and a reason of {', '.join(AUTHORITY_REASONS)}")
    record = get_certificate(session, x5t_s256(authority.certificate))
    if record.state == CertificateState.REVOKED:
        raise StateNotFitting("the authority is revoked")
    payload = {"x5t_s256": record.x5t_s256, "subject": name, "code": code}
    return decisions.propose(services, session, REVOKE_ISSUING, payload, reason, account)


@decisions.carries_out(SIGN_ISSUING, by=(Role.CERTIFICATE_OFFICER,))
def _approve(services: Services, session: Session, decision: Decision) -> None:
    """Nothing yet: the root's key is not here. `sign_issuing` asks for this decision."""


@decisions.carries_out(REVOKE_ISSUING, by=(Role.CERTIFICATE_OFFICER,))
def _revoke(services: Services, session: Session, decision: Decision) -> None:
    record = get_certificate(session, decision.payload["x5t_s256"])
    reason = x509.ReasonFlags[decision.payload["code"]]
    revoke_authority(services, session, record, reason, decision.decided_by or "")


def sign_issuing(services: Services, decision_id: str) -> str:
    """Carry out a confirmed decision: key, certificate and OCSP responder of a new generation. Returns its name.

    Raises NotDecided, Unavailable without the root's passphrase, WrongPassphrase.
    """
    root = open_root(services)
    with services.transaction() as session:
        decision = _get_decided(services, session, decision_id, SIGN_ISSUING)
        name = _next_name(services, IssuingRole(decision.payload["role"]))
        authority = add_generation(services, session, root, name)
        subject = x5t_s256(authority.certificate)
        session.add(RootOperation(decision_id=decision.id, performed_at=services.clock(), x5t_s256=subject))
        body = {"name": name, "decision": decision.id}
        services.journal.append(session, "authority-added", subject=subject, actor="root-officers", body=body)
        services.epoch.bump(session)
    return name


def publish_crl(services: Services) -> PublishedCrl:
    """A new CRL of the root over what was decided. Raises Unavailable without the passphrase, WrongPassphrase."""
    root = open_root(services)
    with services.transaction() as session:
        number = session.scalars(
            update(CrlSeries)
            .where(CrlSeries.issuer == ROOT_NAME)
            .values(number=CrlSeries.number + 1)
            .returning(CrlSeries.number)
        ).one()
        entries = revoked_entries(session, ROOT_NAME, services.clock())
        row = publish_root_crl(services, session, root, entries, number=number)
        body = {"number": number, "entries": len(entries)}
        services.journal.append(session, "root-crl", subject=ROOT_NAME, actor="root-officers", body=body)
        return row


def list_authorities(services: Services, session: Session) -> list[tuple[str, CertificateRecord]]:
    """Every generation by name, with its certificate's row; the root first."""
    root = get_certificate(session, x5t_s256(services.hierarchy.root))
    authorities = services.hierarchy.authorities
    return [(ROOT_NAME, root)] + [(a.name, get_certificate(session, x5t_s256(a.certificate))) for a in authorities]


def _get_decided(services: Services, session: Session, decision_id: str, kind: str) -> Decision:
    """Raises NotDecided unless two different people decided it lately and nobody carried it out."""
    decision = session.get(Decision, decision_id, with_for_update=True)
    if decision is None or decision.kind != kind or decision.state != DecisionState.CONFIRMED:
        raise NotDecided(f"no confirmed decision {decision_id} to {kind}")
    if decision.decided_by is None or decision.decided_at is None or decision.decided_by == decision.proposed_by:
        raise NotDecided("two different officers have to decide")
    if services.clock() > decision.decided_at + DECISION_LIFETIME:
        raise NotDecided(f"it was decided more than {DECISION_LIFETIME.days} days ago")
    if session.get(RootOperation, decision_id) is not None:
        raise NotDecided("it was carried out before")
    return decision


def _next_name(services: Services, role: IssuingRole) -> str:
    names = [authority.name for authority in services.hierarchy.authorities if role_of(authority.name) is role]
    return f"{role}-{max(map(generation_of, names), default=0) + 1}"

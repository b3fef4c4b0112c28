"""What the service knows of a certificate's revocation, for path validation, CRLs and OCSP alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState
from app.certificates.records import x5t_s256
from pki.path import RevocationLookup
from pki.revocation import GOOD, RevocationState

if TYPE_CHECKING:
    from app.wiring import Services

_OWN_PROFILES = ("root", "issuing", "seal", "tsa", "log", "ocsp")


def state_of(record: CertificateRecord) -> RevocationState:
    """The row's state in the words of `pki`."""
    if record.state == CertificateState.GOOD or record.revoked_at is None:
        return GOOD
    return RevocationState(record.revoked_at, x509.ReasonFlags[record.revocation_reason or "unspecified"])


def lookup_in(session: Session) -> RevocationLookup:
    """A lookup for `pki.path`: None, which refuses the path, for a certificate that was never issued here."""

    def lookup(certificate: x509.Certificate) -> RevocationState | None:
        record = session.get(CertificateRecord, x5t_s256(certificate))
        return state_of(record) if record is not None else None

    return lookup


def own_states(session: Session) -> dict[str, RevocationState]:
    """By x5t#S256, the states of what signs documents on the bank's side: authorities, seals, time stamps, log.

    A value that can be handed to another process. Signers' certificates are too short-lived to be revoked.
    """
    own = session.scalars(select(CertificateRecord).where(CertificateRecord.profile.in_(_OWN_PROFILES)))
    return {record.x5t_s256: state_of(record) for record in own}


def status_by_serial(services: Services, issuer: str, serial: int) -> RevocationState | None:
    """For OCSP: the state of an issuer's serial number, or None when that number was never issued."""
    with services.reading() as session:
        record = session.scalars(
            select(CertificateRecord).where(
                CertificateRecord.issuer == issuer, CertificateRecord.serial == f"{serial:x}"
            )
        ).first()
        return state_of(record) if record is not None else None

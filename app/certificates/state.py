"""Suspension, release and revocation: of one certificate, of a pair, and what each does to what hangs on it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates import linked
from app.certificates.models import CertificateRecord, CertificateState
from app.certificates.problems import StateNotFitting
from app.certificates.queries import get_certificate
from app.certificates.status import state_of
from app.problems import InvalidInput
from pki import dual
from pki.errors import InvalidRevocation

if TYPE_CHECKING:
    from app.wiring import Services

REASONS = tuple(
    reason.name
    for reason in x509.ReasonFlags
    if reason
    not in {
        x509.ReasonFlags.certificate_hold,
        x509.ReasonFlags.remove_from_crl,
        x509.ReasonFlags.aa_compromise,
        x509.ReasonFlags.ca_compromise,
    }
)
_KINDS = {
    CertificateState.GOOD: "certificate-released",
    CertificateState.HELD: "certificate-held",
    CertificateState.REVOKED: "certificate-revoked",
}


def hold(services: Services, session: Session, x5t_s256: str, reason: str, actor: str, *, apart: bool = False) -> None:
    """Suspend a good certificate, and its pair unless `apart` (certificateHold). Raises NotFound, StateNotFitting.

    Every gate refuses what is held; the authorizations stand and work again after the release.
    """
    records = _one_object(session, x5t_s256, apart=apart)
    _change(services, session, records, x509.ReasonFlags.certificate_hold, reason, actor, asked=x5t_s256)


def release(
    services: Services, session: Session, x5t_s256: str, reason: str, actor: str, *, apart: bool = False
) -> None:
    """End a suspension. Raises NotFound, StateNotFitting."""
    records = _one_object(session, x5t_s256, apart=apart)
    _change(services, session, records, x509.ReasonFlags.remove_from_crl, reason, actor, asked=x5t_s256)


def revoke(
    services: Services,
    session: Session,
    x5t_s256: str,
    reason: str,
    actor: str,
    note: str = "",
    *,
    apart: bool = False,
) -> None:
    """Revoke a certificate, and its pair unless `apart`, for ever; `reason` is one of REASONS.

    A compromised key takes every certificate of that key with it. Authorizations end as `pki.dual.effect_of` says:
    all but `superseded` closes them. The epoch moves, so every gate closes within half a second. Raises NotFound,
    StateNotFitting, InvalidInput.
    """
    if reason not in REASONS:
        raise InvalidInput(f"the reason is one of {', '.join(REASONS)}")
    records = _one_object(session, x5t_s256, apart=apart)
    if x509.ReasonFlags[reason] is x509.ReasonFlags.key_compromise:
        records = _with_the_same_keys(session, records)
    _change(services, session, records, x509.ReasonFlags[reason], note, actor, asked=x5t_s256)


def change_link(
    services: Services, session: Session, authorization_id: str, reason: x509.ReasonFlags, note: str, actor: str
) -> None:
    """Suspend, release or revoke the whole dual certificate of an authorization at once: the application's API
    certificates and the enterprise's pair. What already is in that state stays. Raises NotFound, StateNotFitting."""
    records = linked.certificates_of_link(services, session, authorization_id)
    _change(services, session, records, reason, note, actor, asked=None)


def revoke_authority(
    services: Services, session: Session, record: CertificateRecord, reason: x509.ReasonFlags, actor: str
) -> None:
    """Revoke an issuing authority's certificate after two officers decided it; see `root`. Raises StateNotFitting."""
    _apply(services, session, [record], reason, "", actor, asked=record.x5t_s256)


def _one_object(session: Session, x5t_s256: str, *, apart: bool) -> Sequence[CertificateRecord]:
    record = get_certificate(session, x5t_s256)
    if record.profile in {"root", "issuing"}:
        raise StateNotFitting("an authority's certificate is not revoked here")
    query = select(CertificateRecord).where(CertificateRecord.x5t_s256 == x5t_s256)
    if record.pair_id is not None and not apart:
        query = select(CertificateRecord).where(CertificateRecord.pair_id == record.pair_id)
    return session.scalars(query.order_by(CertificateRecord.x5t_s256)).all()


def _with_the_same_keys(session: Session, records: Sequence[CertificateRecord]) -> Sequence[CertificateRecord]:
    keys = {record.spki_sha256 for record in records}
    query = select(CertificateRecord).where(CertificateRecord.spki_sha256.in_(keys))
    return list(dict.fromkeys([*records, *session.scalars(query)]))


def _change(
    services: Services,
    session: Session,
    records: Sequence[CertificateRecord],
    reason: x509.ReasonFlags,
    note: str,
    actor: str,
    *,
    asked: str | None,
) -> None:
    changed = _apply(services, session, records, reason, note, actor, asked=asked)
    if dual.effect_of(reason) is dual.Effect.CLOSE:
        linked.close_authorizations(services, session, changed, actor)


def _apply(
    services: Services,
    session: Session,
    records: Sequence[CertificateRecord],
    reason: x509.ReasonFlags,
    note: str,
    actor: str,
    *,
    asked: str | None,
) -> list[CertificateRecord]:
    """Change those that can be changed; the one that was asked for must be. Returns the changed ones."""
    epoch = services.epoch.bump(session)  # first, so that of two officers who act at once the second waits here
    now, changed, refusal = services.clock(), [], ""
    for record in records:
        session.refresh(record)
        try:
            after = dual.revoke(state_of(record), reason, now)
        except InvalidRevocation as exc:
            refusal = str(exc)
            if record.x5t_s256 == asked:
                raise StateNotFitting(refusal) from exc
            continue
        record.state = CertificateState.GOOD
        if after.revoked_at is not None:
            record.state = CertificateState.HELD if after.is_held else CertificateState.REVOKED
        record.revoked_at = after.revoked_at
        record.revocation_reason = after.reason.name if after.revoked_at is not None else None
        changed.append(record)
    if not changed:
        raise StateNotFitting(refusal or "there is nothing to change")
    note_sha256 = hashlib.sha256(note.encode()).hexdigest()
    for record in changed:
        record.changed_epoch = epoch
        body = {"reason": record.revocation_reason, "note_sha256": note_sha256}
        services.journal.append(session, _KINDS[record.state], subject=record.x5t_s256, actor=actor, body=body)
    session.flush()
    return changed

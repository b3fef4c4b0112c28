"""CRLs as they are published, complete and delta, made when somebody asks and something has changed.

A complete CRL becomes the base of the delta CRLs for half its life; later complete ones do not move the base, so that
whoever fetched any of them since can apply the newest delta (RFC 5280 §5.2.4). Small lists are made anew with every
change; a long one is left as it is for FULL_INTERVAL, while the delta tells the changes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import ColumnElement, Row, func, or_, select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState, CrlSeries, PublishedCrl, RevocationEpoch
from app.problems import NotFound
from pki.authority import ROOT_NAME
from pki.revocation import RevokedEntry, build_crl

if TYPE_CHECKING:
    from app.wiring import Services

CRL_LIFETIME = timedelta(hours=24)
DELTA_LIFETIME = timedelta(hours=1)
FULL_INTERVAL = timedelta(minutes=10)
SMALL = 5000  # entries that take no more than some 0.1 s to sign

_Column = CertificateRecord
Facts = Row[str, CertificateState, datetime | None, str | None]


def current_crl(services: Services, issuer: str) -> PublishedCrl:
    """The complete CRL. Raises NotFound for an unknown issuer.

    The root's is the one that its officers signed last; its key is not here.
    """
    epoch, now = services.epoch.current(), services.clock()
    with services.reading() as session:
        row = session.get(PublishedCrl, (issuer, False))
        if row is not None and (issuer == ROOT_NAME or not _is_stale(session, row, epoch, now)):
            return row
    return _make(services, issuer, is_delta=False)


def current_delta_crl(services: Services, issuer: str) -> PublishedCrl:
    """What has changed since the base CRL, as of now. Raises NotFound for an unknown issuer and for the root."""
    if issuer == ROOT_NAME:
        raise NotFound("the root publishes complete CRLs only")
    epoch, now = services.epoch.current(), services.clock()
    with services.reading() as session:
        row = session.get(PublishedCrl, (issuer, True))
        if row is not None and not _is_stale(session, row, epoch, now):
            return row
        has_base = session.get(PublishedCrl, (issuer, False)) is not None
    if not has_base:
        _make(services, issuer, is_delta=False)
    return _make(services, issuer, is_delta=True)


def revoked_entries(session: Session, issuer: str, now: datetime) -> list[RevokedEntry]:
    """The lines of a complete CRL: revoked and held certificates that have not expired."""
    return [_entry(row, now) for row in _facts(session, issuer, now, _Column.state != CertificateState.GOOD)]


def _is_stale(session: Session, row: PublishedCrl, epoch: int, now: datetime) -> bool:
    if now - row.this_update >= (row.next_update - row.this_update) / 2:
        return True
    if row.epoch == epoch:
        return False
    if not row.is_delta and row.entries > SMALL and now - row.this_update < FULL_INTERVAL:
        return False
    return _last_change(session, row.issuer) > row.epoch


def _make(services: Services, issuer: str, *, is_delta: bool) -> PublishedCrl:
    authority = services.hierarchy.find_authority(issuer)
    if authority is None:
        raise NotFound("no such authority")
    with services.transaction() as session:
        # The series is locked from here on: one worker makes a CRL, and the others, once let in, find it made.
        series = session.get_one(CrlSeries, issuer, with_for_update=True)
        # The epoch is read before the rows: a change in between stands in this CRL and in the next.
        epoch = session.scalar(select(RevocationEpoch.number).where(RevocationEpoch.id == 1)) or 0
        now = services.clock()
        made = session.get(PublishedCrl, (issuer, is_delta))
        if made is not None and not _is_stale(session, made, epoch, now):
            return made
        series.number += 1
        if is_delta and series.base_number is not None:
            facts = _facts(session, issuer, now, _Column.changed_epoch > series.base_epoch)
            lifetime, base = DELTA_LIFETIME, series.base_number
        else:
            facts = _facts(session, issuer, now, _Column.state != CertificateState.GOOD)
            lifetime, base = CRL_LIFETIME, None
            if series.base_at is None or now - series.base_at >= CRL_LIFETIME / 2:
                series.base_number, series.base_epoch, series.base_at = series.number, epoch, now
        entries = [_entry(row, now) for row in facts]
        row = PublishedCrl(
            issuer=issuer,
            is_delta=base is not None,
            epoch=epoch,
            entries=len(entries),
            der=build_crl(authority, entries, series.number, now, now + lifetime, delta_of=base),
            this_update=now,
            next_update=now + lifetime,
        )
        return session.merge(row)


def _last_change(session: Session, issuer: str) -> int:
    return session.scalar(select(func.max(_Column.changed_epoch)).where(_Column.issuer == issuer)) or 0


def _facts(session: Session, issuer: str, now: datetime, which: ColumnElement[bool]) -> Sequence[Facts]:
    columns = (_Column.serial, _Column.state, _Column.revoked_at, _Column.revocation_reason)
    # What expired may go, but only after it stood on one CRL (RFC 5280 §3.3): the grace is a CRL's whole life.
    unexpired = or_(_Column.not_after > now - CRL_LIFETIME, _Column.revoked_at > now - CRL_LIFETIME)
    return session.execute(select(*columns).where(_Column.issuer == issuer, which, unexpired)).all()


def _entry(row: Facts, now: datetime) -> RevokedEntry:
    serial, state, revoked_at, reason = row
    if state == CertificateState.GOOD:  # only in deltas: it was held, perhaps on the base
        return RevokedEntry(int(serial, 16), now, x509.ReasonFlags.remove_from_crl)
    return RevokedEntry(int(serial, 16), revoked_at or now, x509.ReasonFlags[reason or "unspecified"])

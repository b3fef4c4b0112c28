"""CRLs as they are published: made anew when the epoch has moved or half of their life is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.certificates.models import PublishedCrl
from app.certificates.service import CRL_LIFETIME, make_crl
from pki.authority import ROOT_NAME

if TYPE_CHECKING:
    from app.wiring import Services


def current_crl(services: Services, issuer: str) -> PublishedCrl:
    """The CRL that says all that the present epoch knows. Raises NotFound for an unknown issuer."""
    epoch, now = services.epoch.current(), services.clock()
    with services.reading() as session:
        row = session.get(PublishedCrl, issuer)
    if row is not None and issuer == ROOT_NAME:
        return row  # its key is not here; `flask pki root-crl` publishes the next one
    if row is not None and row.epoch == epoch and now - row.this_update < CRL_LIFETIME / 2:
        return row
    with services.transaction() as session:
        der = make_crl(services, session, issuer)
        row = PublishedCrl(issuer=issuer, epoch=epoch, der=der, this_update=now, next_update=now + CRL_LIFETIME)
        return session.merge(row)

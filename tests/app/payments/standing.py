"""The authorization of the tests as a record that stands, with its application and certificate."""

from __future__ import annotations

from app.certificates.models import CertificateRecord
from app.oauth.models import Application, Authorization
from tests.app.payments.world import Bank


def record_authorization(bank: Bank, *, granted_by: str = "somebody") -> None:
    """Raises nothing; call it once."""
    now, granted = bank.services.clock(), bank.authorization
    with bank.services.transaction() as session:
        session.add(
            CertificateRecord(
                x5t_s256=granted.product_x5t_s256,
                issuer="product",
                serial="01",
                profile="product-sign",
                der=b"",
                spki_sha256=b"",
                subject="",
                not_before=now,
                not_after=granted.expires_at,
                issued_at=now,
            )
        )
        session.add(
            Application(
                id=granted.application_id,
                client_id="platform",
                tenant_id=bank.enterprise,
                name="platform",
                redirect_uris=[],
                scopes=["payments"],
                created_at=now,
            )
        )
        session.flush()
        session.add(
            Authorization(
                id=granted.id,
                application_id=granted.application_id,
                tenant_id=bank.enterprise,
                uscc=granted.uscc,
                product=granted.product,
                limits=dict(granted.limits),
                product_x5t_s256=granted.product_x5t_s256,
                granted_by=granted_by,
                granted_at=now,
                expires_at=granted.expires_at,
            )
        )

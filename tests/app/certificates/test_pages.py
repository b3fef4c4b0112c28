"""What officers see of endings and successors."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from app.certificates import service
from app.wiring import Services
from tests.app.certificates.helpers import csr
from tests.app.gateway.parties import Parties
from tests.app.identity.people import make_people


def test_officers_see_what_ends_and_what_follows(app: Flask, services: Services, parties: Parties) -> None:
    officer = make_people(app, services)
    services.clock.advance(timedelta(days=340))  # type: ignore[attr-defined]
    browser = officer.log_in("certificate-officer")
    assert "About to expire" not in browser.get("/operations/certificates").text
    service.warn_before_expiry(services)
    assert "About to expire" in browser.get("/operations/certificates").text
    with services.transaction() as session:
        name = parties.platform.x5t_s256
        renewed = service.renew_api(services, session, x5t_s256=name, csr=csr(), actor="test")
    assert name in browser.get(f"/operations/certificates/{renewed.x5t_s256}").text

"""Renewal, re-key, and the warnings before a certificate ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.certificates import service
from app.certificates.issuing import KEY_LIFETIME
from app.certificates.models import CertificateRecord
from app.certificates.problems import KeyCompromised, KeyReused, KeyTooOld, NotRenewable
from app.certificates.records import x5t_s256
from app.oauth.models import Authorization
from app.wiring import Services
from tests.app.certificates.helpers import csr, kinds, state
from tests.app.gateway.parties import Parties

DAY = timedelta(days=1)


def renew(services: Services, name: str, request: bytes) -> CertificateRecord:
    with services.transaction() as session:
        return service.renew_api(services, session, x5t_s256=name, csr=request, actor="test")


def renew_pair(services: Services, parties: Parties) -> tuple[CertificateRecord, CertificateRecord]:
    name = x5t_s256(parties.enterprise.sign_certificate)
    with services.transaction() as session:
        return service.renew_product(services, session, x5t_s256=name, sign_csr=csr(), encrypt_csr=csr(), actor="test")


def test_the_same_key_or_a_new_one(services: Services, parties: Parties, clock: object) -> None:
    clock.advance(300 * DAY)  # type: ignore[attr-defined]
    earlier = parties.platform.x5t_s256
    renewed = renew(services, earlier, csr(parties.platform.key))
    rekeyed = renew(services, earlier, csr())

    assert renewed.renews == rekeyed.renews == earlier
    assert renewed.application_id == parties.platform.application.id
    assert renewed.not_after > services.clock() + 300 * DAY
    assert state(services, earlier)[0] == "good"


def test_a_key_grows_too_old(services: Services, parties: Parties, clock: object) -> None:
    name = parties.platform.x5t_s256
    while services.clock() < parties.platform.certificate.not_valid_before_utc + KEY_LIFETIME - 30 * DAY:
        clock.advance(360 * DAY)  # type: ignore[attr-defined]
        name = renew(services, name, csr(parties.platform.key)).x5t_s256
    clock.advance(100 * DAY)  # type: ignore[attr-defined]

    with pytest.raises(KeyTooOld):
        renew(services, name, csr(parties.platform.key))
    renew(services, name, csr())


def test_only_what_is_good_and_ones_own(services: Services, parties: Parties) -> None:
    with pytest.raises(KeyReused):
        renew(services, parties.platform.x5t_s256, csr(parties.enterprise.sign_key))
    with pytest.raises(NotRenewable):
        renew(services, x5t_s256(parties.enterprise.sign_certificate), csr())
    with services.transaction() as session:
        service.hold(services, session, parties.platform.x5t_s256, "note", "test")
    with pytest.raises(NotRenewable):
        renew(services, parties.platform.x5t_s256, csr())


def test_a_compromised_key_is_never_certified_again(services: Services, parties: Parties) -> None:
    earlier = parties.platform.x5t_s256
    renewed = renew(services, earlier, csr(parties.platform.key)).x5t_s256
    rekeyed = renew(services, earlier, csr()).x5t_s256
    with services.transaction() as session:
        service.revoke(services, session, earlier, "key_compromise", "test")

    assert state(services, renewed) == ("revoked", "key_compromise")  # the same key
    assert state(services, rekeyed) == ("good", None)
    with pytest.raises(KeyCompromised):
        renew(services, rekeyed, csr(parties.platform.key))


def test_authorizations_follow_a_renewed_pair(services: Services, parties: Parties) -> None:
    signing, encryption = renew_pair(services, parties)

    assert signing.pair_id == encryption.pair_id
    assert signing.custody == "agent"
    with services.reading() as session:
        assert session.get_one(Authorization, parties.authorization.id).product_x5t_s256 == signing.x5t_s256
    assert kinds(services)["authorization-follows"] == 1
    # the earlier pair, superseded or even lost, no longer carries the authorization
    with services.transaction() as session:
        earlier = x5t_s256(parties.enterprise.sign_certificate)
        service.revoke(services, session, earlier, "cessation_of_operation", "test")
    with services.reading() as session:
        assert session.get_one(Authorization, parties.authorization.id).revoked_at is None


def test_warnings_come_once_and_end_with_a_successor(services: Services, parties: Parties, clock: object) -> None:
    assert service.warn_before_expiry(services) == 0
    clock.advance(365 * DAY - 31 * DAY)  # type: ignore[attr-defined]
    assert service.warn_before_expiry(services) == 0
    clock.advance(2 * DAY)  # type: ignore[attr-defined]
    assert service.warn_before_expiry(services) == 2  # two API certificates
    assert service.warn_before_expiry(services) == 0
    renew(services, parties.platform.x5t_s256, csr())
    clock.advance(23 * DAY)  # type: ignore[attr-defined]
    assert service.warn_before_expiry(services) == 1  # the other platform's, 6 days before
    clock.advance(timedelta(days=5, hours=12))  # type: ignore[attr-defined]
    assert service.warn_before_expiry(services) == 1

    assert kinds(services)["certificate-expiring"] == 4
    with services.reading() as session:
        [(record, warning)] = service.list_warnings(session, tenant_id=parties.other_platform.application.tenant_id)
    assert (record.x5t_s256, warning.days) == (parties.other_platform.x5t_s256, 1)


def test_a_late_first_warning_is_one_warning(services: Services, parties: Parties, clock: object) -> None:
    clock.advance(365 * DAY - 3 * DAY)  # type: ignore[attr-defined]
    assert service.warn_before_expiry(services) == 2
    assert service.warn_before_expiry(services) == 0

"""CRLs: complete, delta, their numbers, what moves them, and released holds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from cryptography import x509
from sqlalchemy import insert

from app.certificates import published, service
from app.certificates.models import CertificateRecord, PublishedCrl
from app.certificates.published import current_crl, current_delta_crl
from app.problems import NotFound
from app.wiring import Services
from tests.app.gateway.parties import Parties

Flags = x509.ReasonFlags


def crl_of(row: object) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(row.der)  # type: ignore[attr-defined]


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def base_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number


def reasons_in(crl: x509.CertificateRevocationList) -> dict[int, x509.ReasonFlags]:
    found = {}
    for entry in crl:
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except x509.ExtensionNotFound:
            reason = Flags.unspecified
        found[entry.serial_number] = reason
    return found


def test_every_authority_publishes_and_the_root_does(services: Services) -> None:
    for authority in services.hierarchy.authorities:
        crl = crl_of(current_crl(services, authority.name))
        assert crl.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
        assert crl.next_update_utc is not None
        delta = crl_of(current_delta_crl(services, authority.name))
        assert base_of(delta) == number_of(crl) < number_of(delta)
    assert crl_of(current_crl(services, "root")).issuer == services.hierarchy.root.subject


def test_unknown_issuers(services: Services) -> None:
    for find in (current_crl, current_delta_crl):
        with pytest.raises(NotFound):
            find(services, "nobody")
    with pytest.raises(NotFound):
        current_delta_crl(services, "root")


def test_a_change_stands_in_the_next_of_both(services: Services, parties: Parties) -> None:
    serial = parties.platform.certificate.serial_number
    base = crl_of(current_crl(services, "api"))
    assert len(crl_of(current_delta_crl(services, "api"))) == 0
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "key_compromise", "test")

    full, delta = crl_of(current_crl(services, "api")), crl_of(current_delta_crl(services, "api"))

    assert reasons_in(full) == reasons_in(delta) == {serial: Flags.key_compromise}
    assert base_of(delta) == number_of(base) < number_of(full) < number_of(delta)


@pytest.mark.parametrize("current", [current_crl, current_delta_crl])
def test_whoever_asks_at_once_gets_one_crl(
    services: Services, parties: Parties, current: Callable[[Services, str], PublishedCrl]
) -> None:
    before = number_of(crl_of(current(services, "api")))
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "key_compromise", "test")
    together = Barrier(8)

    def fetch(_: int) -> bytes:
        together.wait()
        return current(services, "api").der

    with ThreadPoolExecutor(8) as pool:
        [made] = set(pool.map(fetch, range(8)))

    crl = x509.load_der_x509_crl(made)
    assert (number_of(crl), len(crl)) == (before + 1, 1)


def test_a_release_is_told_by_the_delta(services: Services, parties: Parties) -> None:
    name, serial = parties.platform.x5t_s256, parties.platform.certificate.serial_number
    current_crl(services, "api")
    with services.transaction() as session:
        service.hold(services, session, name, "note", "test")
    assert reasons_in(crl_of(current_delta_crl(services, "api"))) == {serial: Flags.certificate_hold}
    assert reasons_in(crl_of(current_crl(services, "api"))) == {serial: Flags.certificate_hold}
    with services.transaction() as session:
        service.release(services, session, name, "note", "test")

    assert reasons_in(crl_of(current_delta_crl(services, "api"))) == {serial: Flags.remove_from_crl}
    assert reasons_in(crl_of(current_crl(services, "api"))) == {}


def test_what_concerns_others_makes_nothing_new(services: Services, parties: Parties) -> None:
    before = current_crl(services, "api").der, current_delta_crl(services, "api").der
    with services.transaction() as session:
        service.revoke(services, session, parties.other_platform.x5t_s256, "superseded", "test")
    changed = current_crl(services, "api").der, current_delta_crl(services, "api").der
    with services.transaction() as session:
        services.epoch.bump(session)

    assert before != changed
    assert changed == (current_crl(services, "api").der, current_delta_crl(services, "api").der)


def test_half_a_life_later_there_is_a_new_base(services: Services, clock: object) -> None:
    first = crl_of(current_crl(services, "product"))
    clock.advance(published.CRL_LIFETIME / 2)  # type: ignore[attr-defined]
    second = crl_of(current_crl(services, "product"))

    assert number_of(second) > number_of(first)
    assert base_of(crl_of(current_delta_crl(services, "product"))) == number_of(second)


def test_a_long_list_waits_while_the_delta_tells(
    services: Services, parties: Parties, clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "SMALL", 0)
    with services.transaction() as session:
        service.revoke(services, session, parties.other_platform.x5t_s256, "superseded", "test")
    before = current_crl(services, "api").der
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "superseded", "test")

    assert current_crl(services, "api").der == before
    serial = parties.platform.certificate.serial_number
    assert serial in reasons_in(crl_of(current_delta_crl(services, "api")))
    clock.advance(published.FULL_INTERVAL)  # type: ignore[attr-defined]
    assert serial in reasons_in(crl_of(current_crl(services, "api")))


def test_expired_certificates_leave_after_one_more_crl(services: Services, clock: object) -> None:
    now = services.clock()
    row = {
        "issuer": "api", "profile": "api", "der": b"", "spki_sha256": b"", "subject": "", "not_before": now,
        "state": "revoked", "revoked_at": now - timedelta(days=3), "revocation_reason": "superseded", "issued_at": now,
    }  # fmt: skip
    ends = {"1": now + timedelta(days=1), "2": now - timedelta(hours=1), "3": now - timedelta(days=2)}
    with services.transaction() as session:
        rows = [row | {"x5t_s256": serial, "serial": serial, "not_after": end} for serial, end in ends.items()]
        session.execute(insert(CertificateRecord), rows)

    assert set(reasons_in(crl_of(current_crl(services, "api")))) == {1, 2}

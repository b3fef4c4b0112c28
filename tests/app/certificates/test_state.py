"""Suspension, release, revocation, together and apart, and what they do to authorizations and to other workers."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from cryptography import x509
from sqlalchemy.orm import Session

from app.certificates import service
from app.certificates.problems import StateNotFitting
from app.certificates.published import current_delta_crl
from app.certificates.records import x5t_s256
from app.certificates.status import status_by_serial
from app.gateway.certificates import get_good_certificate
from app.gateway.problems import RevokedCertificate
from app.oauth.authorizations import find_standing, revoke_authorization
from app.problems import InvalidInput, NotFound
from app.wiring import Services, build_services
from pki.dual import DualState
from tests.app.certificates.helpers import kinds, state
from tests.app.gateway.parties import Parties


def standing(parties: Parties) -> bool:
    with parties.services.reading() as session:
        return find_standing(parties.services, session, parties.authorization.id) is not None


def gate(parties: Parties) -> DualState:
    with parties.services.reading() as session:
        link = service.read_link(parties.services, session, parties.authorization.id)
    return link.state(parties.services.clock())


def signing_of(parties: Parties) -> str:
    return x5t_s256(parties.enterprise.sign_certificate)


def encryption_of(parties: Parties) -> str:
    return x5t_s256(parties.enterprise.encrypt_certificate)


def test_a_hold_suspends_and_a_release_resumes(services: Services, parties: Parties) -> None:
    name = parties.platform.x5t_s256
    with services.transaction() as session:
        service.hold(services, session, name, "asked by phone", "test")
    assert (gate(parties), standing(parties)) == (DualState.SUSPENDED, True)
    with pytest.raises(RevokedCertificate):
        get_good_certificate(services, name, "api")

    with services.transaction() as session:
        service.release(services, session, name, "it was a mistake", "test")

    assert (gate(parties), standing(parties), state(services, name)) == (DualState.OPEN, True, ("good", None))
    assert get_good_certificate(services, name, "api")
    assert kinds(services)["certificate-held"] == kinds(services)["certificate-released"] == 1


def test_a_pair_is_held_together_or_apart(services: Services, parties: Parties) -> None:
    with services.transaction() as session:
        service.hold(services, session, encryption_of(parties), "note", "test", apart=True)
    assert state(services, signing_of(parties))[0] == "good"
    assert gate(parties) is DualState.SUSPENDED  # a pair is as good as its worse half

    with services.transaction() as session:
        service.hold(services, session, signing_of(parties), "note", "test")
    with services.transaction() as session:
        service.release(services, session, signing_of(parties), "note", "test")

    assert state(services, signing_of(parties)) == state(services, encryption_of(parties)) == ("good", None)


@pytest.mark.parametrize("side", ["api", "product"])
@pytest.mark.parametrize(
    ("reason", "stands"), [("key_compromise", False), ("superseded", True), ("unspecified", False)]
)
def test_a_revocation_closes_the_authorizations_unless_superseded(
    services: Services, parties: Parties, side: str, reason: str, stands: bool
) -> None:
    name = parties.platform.x5t_s256 if side == "api" else encryption_of(parties)
    with services.transaction() as session:
        service.revoke(services, session, name, reason, "test", "note")

    assert standing(parties) is stands
    assert gate(parties) is DualState.CLOSED
    if side == "product":
        assert state(services, signing_of(parties)) == ("revoked", reason)
    other = parties.grant(parties.other_platform, parties.other_enterprise)
    with services.reading() as session:  # others are not touched
        assert find_standing(services, session, other.id) is not None


def test_what_is_closed_takes_its_refresh_tokens_along(services: Services, parties: Parties) -> None:
    with services.transaction() as session:
        service.revoke(services, session, parties.platform.x5t_s256, "key_compromise", "test")

    assert kinds(services)["authorization-revoked"] == 1


def test_the_whole_link_changes_at_once(services: Services, parties: Parties) -> None:
    names = (parties.platform.x5t_s256, signing_of(parties), encryption_of(parties))
    authorization_id = parties.authorization.id
    flags = x509.ReasonFlags
    with services.transaction() as session:
        service.change_link(services, session, authorization_id, flags.certificate_hold, "note", "test")
    assert {state(services, name)[0] for name in names} == {"held"}
    with services.transaction() as session:
        service.change_link(services, session, authorization_id, flags.remove_from_crl, "note", "test")
    assert gate(parties) is DualState.OPEN
    with services.transaction() as session:
        service.change_link(services, session, authorization_id, flags.privilege_withdrawn, "note", "test")
    assert {state(services, name)[0] for name in names} == {"revoked"}
    assert not standing(parties)


def test_a_revocation_of_what_was_held_counts_from_the_hold(
    services: Services, parties: Parties, clock: object
) -> None:
    name, held_at = parties.platform.x5t_s256, services.clock()
    with services.transaction() as session:
        service.hold(services, session, name, "note", "test")
    clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]
    with services.transaction() as session:
        service.revoke(services, session, name, "key_compromise", "test")

    with services.reading() as session:
        assert service.get_certificate(session, name).revoked_at == held_at


def test_what_the_state_does_not_allow(services: Services, parties: Parties) -> None:
    name = parties.platform.x5t_s256
    with pytest.raises(StateNotFitting), services.transaction() as session:
        service.release(services, session, name, "note", "test")
    with pytest.raises(InvalidInput), services.transaction() as session:
        service.revoke(services, session, name, "certificate_hold", "test")
    with pytest.raises(NotFound), services.transaction() as session:
        service.revoke(services, session, "0" * 43, "superseded", "test")
    with services.transaction() as session:
        service.revoke(services, session, name, "superseded", "test")
    for act in (service.hold, service.release):
        with pytest.raises(StateNotFitting), services.transaction() as session:
            act(services, session, name, "note", "test")
    root = x5t_s256(services.hierarchy.root)
    with pytest.raises(StateNotFitting), services.transaction() as session:
        service.revoke(services, session, root, "superseded", "test")


def test_another_worker_refuses_within_a_second(services: Services, parties: Parties) -> None:
    """Gateway, OCSP and delta CRL of a second process over the same database."""
    worker = build_services(dataclasses.replace(services.settings), services.clock)
    name = parties.platform.x5t_s256
    serial = parties.platform.certificate.serial_number
    assert get_good_certificate(worker, name, "api")
    assert not _delta_names(worker, serial)
    with services.transaction() as session:
        service.revoke(services, session, name, "key_compromise", "test")
    revoked_at = time.monotonic()

    while not _is_refused(worker, name):
        assert time.monotonic() - revoked_at < 1
        time.sleep(0.02)
    known = status_by_serial(worker, "api", serial)
    assert known is not None
    assert known.revoked_at is not None
    assert _delta_names(worker, serial)
    worker.engine.dispose()


def _is_refused(worker: Services, name: str) -> bool:
    try:
        get_good_certificate(worker, name, "api")
    except RevokedCertificate:
        return True
    return False


def _delta_names(worker: Services, serial: int) -> bool:
    crl = x509.load_der_x509_crl(current_delta_crl(worker, "api").der)
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_an_officer_and_the_enterprise_close_the_same_gate_at_once(
    services: Services, parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one write after the other: nobody meets")
    name = parties.platform.x5t_s256
    bump, enterprise_began, officer_holds = services.epoch.bump, Event(), Event()

    def bump_second(session: Session) -> int:
        enterprise_began.set()
        assert officer_holds.wait(10)
        return bump(session)

    def bump_first(session: Session) -> int:
        number = bump(session)
        officer_holds.set()
        return number

    def end_as_enterprise() -> None:
        with services.transaction() as session:
            revoke_authorization(services, session, parties.authorization.id, actor="enterprise")

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(services.epoch, "bump", bump_second)
        enterprise = pool.submit(end_as_enterprise)
        assert enterprise_began.wait(10)
        monkeypatch.setattr(services.epoch, "bump", bump_first)
        with services.transaction() as session:
            service.revoke(services, session, name, "key_compromise", "officer")
        with pytest.raises(NotFound):  # it had ended when the enterprise's turn came
            enterprise.result(30)
    assert (state(services, name), standing(parties)) == (("revoked", "key_compromise"), False)

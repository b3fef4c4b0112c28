"""What the root's key does: two officers decide, once, at the command; generations roll over."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from cryptography import x509
from flask import Flask

from app.certificates import root, service
from app.certificates.founding import renew_own
from app.certificates.problems import NotDecided, StateNotFitting
from app.certificates.published import current_crl, current_delta_crl
from app.certificates.records import x5t_s256
from app.gateway.certificates import UnknownCertificate, get_good_certificate
from app.identity import decisions
from app.identity.models import Account, Role
from app.identity.problems import OwnDecision
from app.problems import InvalidInput, NotAllowed, Unavailable
from app.wiring import Services, build_services
from pki.errors import WrongPassphrase
from pki.path import Purpose, validate_path
from pki.profiles import IssuingRole
from tests.app.certificates.helpers import api_code, csr, kinds
from tests.app.gateway.parties import Parties
from tests.app.identity.people import make_people

FIRST, SECOND = "certificate-officer", "certificate-officer2"


@pytest.fixture
def officers(app: Flask, services: Services) -> dict[str, Account]:
    return make_people(app, services).accounts


def decide_generation(services: Services, officers: dict[str, Account], role: str = "api") -> str:
    with services.transaction() as session:
        decision = root.propose_generation(services, session, role, "the old one ends", officers[FIRST])
    with services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[SECOND])
    return decision.id


def test_a_generation_needs_two_officers_and_the_passphrase(services: Services, officers: dict[str, Account]) -> None:
    with services.transaction() as session:
        decision = root.propose_generation(services, session, "api", "reason", officers[FIRST])
    with pytest.raises(NotDecided):
        root.sign_issuing(services, decision.id)
    with pytest.raises(OwnDecision), services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[FIRST])
    with pytest.raises(NotAllowed), services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers["operator"])
    with services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[SECOND])
    for passphrase, error in ((None, Unavailable), (b"a wrong passphrase", WrongPassphrase)):
        without = build_services(dataclasses.replace(services.settings, root_passphrase=passphrase), services.clock)
        with pytest.raises(error):
            root.sign_issuing(without, decision.id)
        without.engine.dispose()

    assert root.sign_issuing(services, decision.id) == "api-2"
    with pytest.raises(NotDecided):
        root.sign_issuing(services, decision.id)
    assert kinds(services)["authority-added"] == 1


def test_only_officers_propose(services: Services, officers: dict[str, Account]) -> None:
    with pytest.raises(NotAllowed), services.transaction() as session:
        root.propose_generation(services, session, "api", "reason", officers[Role.OPERATOR])
    with pytest.raises(InvalidInput), services.transaction() as session:
        root.propose_generation(services, session, "root", "reason", officers[FIRST])


def test_a_decision_is_carried_out_in_time(services: Services, officers: dict[str, Account], clock: object) -> None:
    decision_id = decide_generation(services, officers)
    clock.advance(root.DECISION_LIFETIME + timedelta(seconds=1))  # type: ignore[attr-defined]
    with pytest.raises(NotDecided):
        root.sign_issuing(services, decision_id)
    with pytest.raises(NotDecided):
        root.sign_issuing(services, "0" * 26)


def test_a_roll_over_keeps_old_certificates_good(
    services: Services, parties: Parties, officers: dict[str, Account]
) -> None:
    worker = build_services(services.settings, services.clock)  # another process, which runs on
    assert worker.hierarchy.newest(IssuingRole.API).name == "api"
    root.sign_issuing(services, decide_generation(services, officers))
    application = parties.platform.application
    code = api_code(services, application.tenant_id, application.id)
    with services.transaction() as session:
        record = service.enrol_api(services, session, code=code, csr=csr())

    assert record.issuer == "api-2"
    leaf = x509.load_der_x509_certificate(record.der)
    worker.epoch._read_at = float("-inf")  # half a second later
    for certificate in (leaf, parties.platform.certificate):
        for each in (services, worker):
            validate_path(certificate, each.hierarchy.trust, services.clock(), purpose=Purpose.API)
    assert get_good_certificate(worker, record.x5t_s256, "api")
    for name in ("api", "api-2"):
        crl = x509.load_der_x509_crl(current_crl(services, name).der)
        assert crl.issuer == services.hierarchy.authority(name).certificate.subject
        current_delta_crl(services, name)
    assert {r.issuer_name for r in services.hierarchy.responders} >= {"api", "api-2"}
    assert "/pki/crl/api-2.crl" in str(leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value)
    worker.engine.dispose()


def test_a_revoked_authority_is_trusted_by_nobody(
    services: Services, parties: Parties, officers: dict[str, Account]
) -> None:
    root.sign_issuing(services, decide_generation(services, officers))
    assert get_good_certificate(services, parties.platform.x5t_s256, "api")
    with services.transaction() as session:
        decision = root.propose_authority_revocation(
            services, session, "api", "ca_compromise", "the key was seen", officers[FIRST]
        )
    with services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[SECOND])

    with pytest.raises(UnknownCertificate):
        get_good_certificate(services, parties.platform.x5t_s256, "api")
    assert services.hierarchy.newest(IssuingRole.API).name == "api-2"
    revoked = services.hierarchy.authority("api").certificate.serial_number
    assert x509.load_der_x509_crl(current_crl(services, "root").der).get_revoked_certificate_by_serial_number(
        revoked
    ) is None  # fmt: skip
    root.publish_crl(services)
    crl = x509.load_der_x509_crl(current_crl(services, "root").der)
    entry = crl.get_revoked_certificate_by_serial_number(revoked)
    assert entry is not None
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.ca_compromise
    assert crl.is_signature_valid(services.hierarchy.root.public_key())  # type: ignore[arg-type]
    with pytest.raises(StateNotFitting), services.transaction() as session:
        root.propose_authority_revocation(services, session, "api", "superseded", "again", officers[FIRST])


def test_the_last_generation_revoked_leaves_nobody_to_issue(services: Services, officers: dict[str, Account]) -> None:
    with services.transaction() as session:
        decision = root.propose_authority_revocation(
            services, session, "signer", "cessation_of_operation", "a licensed one takes over", officers[FIRST]
        )
    with services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[SECOND])
    with pytest.raises(Unavailable):
        services.hierarchy.newest(IssuingRole.SIGNER)


def test_the_services_own_certificates_are_renewed(services: Services) -> None:
    for name in ("ocsp-api", "gateway-sign", "tsa", "log"):
        before = services.hierarchy.held(name).certificate
        with services.transaction() as session:
            record = renew_own(services, session, name, "test")
        after = services.hierarchy.held(name).certificate
        assert x5t_s256(after) == record.x5t_s256
        assert after.public_key() == before.public_key()
        assert after.serial_number != before.serial_number

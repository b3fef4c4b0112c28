"""What is archived with a contract answers for every certificate in it, for validators that have nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pyhanko.sign.validation.dss import DocumentSecurityStore

from app.certificates.published import current_crl
from app.wiring import Services
from contracts.changes import Changes
from contracts.proven_times import stored_revocation
from contracts.report import Level, RevocationSource, Verdict
from contracts.revisions import read
from contracts.validation import validate
from pki.authority import ROOT_NAME
from tests.app.signing.conftest import Archive


@pytest.fixture
def archived(archive: Archive, services: Services) -> bytes:
    contract = archive.contract(archive.add_contract())
    return services.documents.get(contract.current_sha256)


def test_the_file_alone_is_enough(archived: bytes, services: Services) -> None:
    report = validate(archived, services.hierarchy.trust, services.clock() + timedelta(minutes=5))
    assert report.verdict is Verdict.VALID
    person, bank, stamp = report.signatures
    assert [person.level, bank.level] == [Level.LTA, Level.LTA]
    assert person.chain[0].source is RevocationSource.NOT_NEEDED
    assert all(link.embedded for link in (*person.chain[1:], *bank.chain, *stamp.chain))


def test_seal_and_time_stamp_come_with_answers_of_their_own(archived: bytes, services: Services) -> None:
    reader = read(archived)
    crls, answers = stored_revocation(Changes(reader).revision(Changes(reader).last))
    named = {ocsp.load_der_ocsp_response(der).serial_number for der in answers}
    hierarchy = services.hierarchy
    own = (hierarchy.seal.certificate, hierarchy.tsa_certificate)
    assert named == {certificate.serial_number for certificate in own}
    lists = [x509.load_der_x509_crl(der) for der in crls]
    assert [found.issuer for found in lists].count(hierarchy.root.subject) == 1
    assert len(lists) == 3  # the root's, and the complete and the delta list of the authority for services
    stored = {certificate.dump() for certificate in DocumentSecurityStore.read_dss(reader).load_certs()}
    assert {hierarchy.root_der, *(c.public_bytes(Encoding.DER) for c in own)} <= stored


def test_the_root_points_to_no_delta_that_nobody_publishes(services: Services) -> None:
    """RFC 5280 §5.2.6; pyHanko uses no complete list whose delta is missing."""
    published = x509.load_der_x509_crl(current_crl(services, ROOT_NAME).der)
    with pytest.raises(x509.ExtensionNotFound):
        published.extensions.get_extension_for_class(x509.FreshestCRL)
    service = x509.load_der_x509_crl(current_crl(services, services.hierarchy.seal.issuer).der)
    assert service.extensions.get_extension_for_class(x509.FreshestCRL)

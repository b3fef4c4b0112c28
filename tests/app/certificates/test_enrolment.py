"""Enrolment: what a code lets in, what the CSR may claim, and one holder per key."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.certificates import service
from app.certificates.models import CertificateRecord
from app.certificates.problems import EnrolmentCodeInvalid, KeyReused
from app.problems import InvalidInput, NotFound, Problem
from app.wiring import Services
from pki.csr import parse_csr
from pki.errors import InvalidCsr, InvalidIdentifier, PkiError, WeakKey
from pki.path import Purpose, validate_path
from tests.app.certificates.helpers import (
    api_code,
    assert_rows_and_journal_agree,
    csr,
    kinds,
    new_key,
    product_code,
    state,
)
from tests.app.gateway.parties import Parties


def enrol(services: Services, parties: Parties, request: bytes) -> CertificateRecord:
    application = parties.platform.application
    code = api_code(services, application.tenant_id, application.id)
    with services.transaction() as session:
        return service.enrol_api(services, session, code=code, csr=request)


def test_an_api_certificate_names_the_application_and_leads_to_the_root(services: Services, parties: Parties) -> None:
    record = enrol(services, parties, csr())

    leaf = x509.load_der_x509_certificate(record.der)
    validate_path(leaf, services.hierarchy.trust, services.clock(), purpose=Purpose.API)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    client_id = parties.platform.application.client_id
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:yunlian:app:{client_id}"]
    assert record.issuer == "api"
    assert len(x509.load_pem_x509_certificates(service.chain_pem(services, record).encode())) == 2


def test_a_pair_is_one_object(services: Services, parties: Parties) -> None:
    code = product_code(services, parties.enterprise.tenant.id, "accounts", "browser")
    with services.transaction() as session:
        signing, encryption = service.enrol_product(services, session, code=code, sign_csr=csr(), encrypt_csr=csr())

    assert signing.pair_id == encryption.pair_id is not None
    assert (signing.profile, encryption.profile) == ("product-sign", "product-encrypt")
    assert {signing.custody, encryption.custody} == {"browser"}


def test_a_pair_is_issued_whole_or_not_at_all(services: Services, parties: Parties) -> None:
    before = assert_rows_and_journal_agree(services)
    code = product_code(services, parties.enterprise.tenant.id)

    taken = csr(parties.enterprise.encrypt_key)
    with pytest.raises(KeyReused), services.transaction() as session:
        service.enrol_product(services, session, code=code, sign_csr=csr(), encrypt_csr=taken)

    assert assert_rows_and_journal_agree(services) == before
    with services.transaction() as session:  # the code was not spent either
        service.enrol_product(services, session, code=code, sign_csr=csr(), encrypt_csr=csr())


def test_one_key_never_signs_and_decrypts(services: Services, parties: Parties) -> None:
    key = new_key()
    code = product_code(services, parties.enterprise.tenant.id)

    with pytest.raises(KeyReused), services.transaction() as session:
        service.enrol_product(services, session, code=code, sign_csr=csr(key), encrypt_csr=csr(key))


def test_a_code_works_once_in_time_and_for_its_kind(services: Services, parties: Parties, clock: object) -> None:
    application = parties.platform.application
    code = api_code(services, application.tenant_id, application.id)
    with services.transaction() as session:
        service.enrol_api(services, session, code=code, csr=csr())
    late = api_code(services, application.tenant_id, application.id)
    other = product_code(services, parties.enterprise.tenant.id)

    for wrong in (code, other, "no such code"):
        with pytest.raises(EnrolmentCodeInvalid), services.transaction() as session:
            service.enrol_api(services, session, code=wrong, csr=csr())
    clock.advance(service.ENROLMENT_LIFETIME + timedelta(seconds=1))  # type: ignore[attr-defined]
    with pytest.raises(EnrolmentCodeInvalid), services.transaction() as session:
        service.enrol_api(services, session, code=late, csr=csr())


def test_the_key_of_another_is_refused(services: Services, parties: Parties) -> None:
    with pytest.raises(KeyReused):
        enrol(services, parties, csr(parties.enterprise.sign_key))
    with pytest.raises(KeyReused):  # nor the own one by a code: renewal is for its holder, authenticated by it
        enrol(services, parties, csr(parties.platform.key))


def test_the_csr_cannot_claim_another_name(services: Services, parties: Parties) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])
    )
    claim = builder.sign(new_key(), hashes.SHA256()).public_bytes(Encoding.PEM)

    with pytest.raises(InvalidCsr):
        enrol(services, parties, claim)


def test_weak_keys_are_refused(services: Services, parties: Parties) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - as weak as it must be
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())

    with pytest.raises(WeakKey):
        enrol(services, parties, request.public_bytes(Encoding.DER))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_is_certified(position: int, bit: int) -> None:
    der = bytearray(x509.load_pem_x509_csr(_ONE_REQUEST).public_bytes(Encoding.DER))
    der[position % len(der)] ^= 1 << bit

    with pytest.raises(PkiError):
        parse_csr(bytes(der))


_ONE_REQUEST = csr(ec.derive_private_key(7, ec.SECP256R1()))


def test_bad_orders_for_codes(services: Services, parties: Parties) -> None:
    platform, enterprise = parties.platform.application, parties.enterprise.tenant
    wrong: list[tuple[type[Exception], dict[str, str]]] = [
        (NotFound, {"profile": "api", "tenant_id": enterprise.id, "application_id": platform.id}),
        (NotFound, {"profile": "product", "tenant_id": platform.tenant_id, "product": "payments"}),
        (InvalidIdentifier, {"profile": "product", "tenant_id": enterprise.id, "product": "§", "custody": "agent"}),
        (InvalidInput, {"profile": "product", "tenant_id": enterprise.id, "product": "payments", "custody": "me"}),
        (InvalidInput, {"profile": "signer", "tenant_id": enterprise.id}),
    ]
    for error, order in wrong:
        with pytest.raises(error), services.transaction() as session:
            service.create_enrolment(services, session, actor="test", **order)  # type: ignore[arg-type]


def test_a_refusal_is_a_line_of_the_journal(services: Services, parties: Parties) -> None:
    with (
        pytest.raises(EnrolmentCodeInvalid),
        service.journal_refusals(services, "enrolment", actor="test"),
        services.transaction() as session,
    ):
        service.enrol_api(services, session, code="no such code", csr=csr())

    assert kinds(services)["enrolment-refused"] == 1


def test_racing_workers_never_certify_one_key_twice(services: Services, parties: Parties) -> None:
    """Two workers, one key, two different holders: exactly one of them gets a certificate."""
    parties_of = (parties.platform.application, parties.other_platform.application)
    for _ in range(5):
        request = csr()
        codes = [api_code(services, a.tenant_id, a.id) for a in parties_of]
        barrier, results = threading.Barrier(2), []

        def work(code: str, request: bytes, barrier: threading.Barrier, results: list[str]) -> None:
            barrier.wait()
            try:
                with services.transaction() as session:
                    service.enrol_api(services, session, code=code, csr=request)
                results.append("issued")
            except Problem as refusal:
                results.append(refusal.code)

        threads = [threading.Thread(target=work, args=(code, request, barrier, results)) for code in codes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["issued", "key-reused"]
    assert_rows_and_journal_agree(services)


def test_new_certificates_are_good(services: Services, parties: Parties) -> None:
    assert state(services, enrol(services, parties, csr()).x5t_s256) == ("good", None)

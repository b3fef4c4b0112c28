"""Verdicts of ETSI EN 319 102-1: whose chain, which revocation, as of when; files of others too."""

from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO

import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from contracts import cms
from contracts.archive import archive
from contracts.report import Level, RevocationSource, SubIndication, Verdict
from contracts.signing import begin_signature, fill_contents, sign_with_key
from contracts.validation import validate
from pki.path import TrustPolicy
from pki.profiles import OCSP
from pki.revocation import GOOD, OcspResponder, RevocationState, RevokedEntry, answer_ocsp


def seen(report):
    return report.verdict, report.sub_indication


# --- revocation in our own hierarchy -----------------------------------------------------------------------


def test_without_any_answer_nothing_is_certain(contract, hierarchy, now):
    assert seen(validate(contract.twice, hierarchy.trust, now)) == (Verdict.INDETERMINATE, SubIndication.TRY_LATER)


def test_the_archived_file_carries_its_own_answers(contract, hierarchy, now):
    report = validate(contract.archived, hierarchy.trust, now)
    assert report.verdict is Verdict.VALID
    person, bank, stamp = report.signatures
    assert (person.level, bank.level) == (Level.LTA, Level.LTA)
    assert [link.source for link in person.chain] == [RevocationSource.NOT_NEEDED, RevocationSource.CRL]
    assert all(link.embedded for link in (*bank.chain, *stamp.chain))


def test_answers_that_ran_out_are_no_answers(contract, hierarchy, now):
    later = now + timedelta(days=30)
    report = validate(contract.archived, hierarchy.trust, later)
    assert seen(report) == (Verdict.INDETERMINATE, SubIndication.TRY_LATER)
    assert report.explanation.startswith("archive-timestamp-1")
    assert validate(contract.archived, hierarchy.trust, later, crls=hierarchy.crls(later)).verdict is Verdict.VALID


def test_levels_follow_from_evaluation_not_from_presence(contract, hierarchy, now, records):
    """Validation data of somebody else's make no long-term signature."""
    foreign = type(hierarchy)()
    foreign.clock.now = now
    decorated = archive(contract.twice, hierarchy.timestamps, certificates=foreign.authorities, crls=foreign.crls())
    report = validate(decorated, hierarchy.trust, now, revocation=records)
    assert report.verdict is Verdict.VALID
    assert [entry.level for entry in report.signatures] == [Level.T, Level.T, None]


def test_revoked_before_an_earlier_stamp_of_the_same_file_is_invalid(contract, hierarchy, now):
    """The bank sealed after the person's time stamp: the seal was made when its certificate was revoked already."""
    entry = RevokedEntry(hierarchy.seal.serial_number, now - timedelta(hours=1))
    crls = hierarchy.crls(now, service=[entry])
    report = validate(contract.twice, hierarchy.trust, now, crls=crls)
    assert seen(report) == (Verdict.INVALID, SubIndication.REVOKED)
    assert report.signatures[0].verdict is Verdict.VALID


def test_revoked_later_than_its_time_stamp_stays_valid(contract, hierarchy, now):
    later = now + timedelta(days=1)
    crls = hierarchy.crls(later, service=[RevokedEntry(hierarchy.seal.serial_number, now + timedelta(hours=1))])
    assert validate(contract.twice, hierarchy.trust, later, crls=crls).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (x509.ReasonFlags.key_compromise, SubIndication.REVOKED_CA_NO_POE),
        (x509.ReasonFlags.certificate_hold, SubIndication.TRY_LATER),
    ],
)
def test_a_revoked_authority_leaves_the_matter_open(contract, hierarchy, now, reason, expected):
    def states(certificate):
        if certificate == hierarchy.signers.certificate:
            return RevocationState(now - timedelta(hours=1), reason)
        return GOOD

    report = validate(contract.once, hierarchy.trust, now, revocation=states)
    assert seen(report) == (Verdict.INDETERMINATE, expected)


def test_ocsp_answers_count_as_well(contract, hierarchy, now):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = hierarchy._issue(hierarchy.services, OCSP, hierarchy_subject(), key)
    responder = OcspResponder("service", hierarchy.services.certificate, certificate, key)

    def answer(subject, state):
        request = ocsp.OCSPRequestBuilder().add_certificate(subject, hierarchy.services.certificate, SHA256()).build()
        der = request.public_bytes(Encoding.DER)
        return answer_ocsp(der, [responder], lambda issuer, serial: state, hierarchy.clock).der

    root_crl = hierarchy.crls(now)[:2]
    good = [answer(c, GOOD) for c in (hierarchy.seal, hierarchy.timestamp_certificate)]
    report = validate(contract.twice, hierarchy.trust, now, crls=root_crl, ocsp_responses=good)
    assert report.verdict is Verdict.VALID, report.explanation
    assert report.signatures[1].chain[0].source is RevocationSource.OCSP
    bad = [answer(hierarchy.seal, RevocationState(now - timedelta(minutes=5))), good[1]]
    report = validate(contract.twice, hierarchy.trust, now, crls=root_crl, ocsp_responses=bad)
    assert seen(report) == (Verdict.INVALID, SubIndication.REVOKED)


def hierarchy_subject():
    from pki.assembly import Subject

    return Subject("OCSP", organization="测试")


def test_answers_by_a_stranger_do_not_count(contract, hierarchy, now):
    stranger = type(hierarchy)()
    stranger.clock.now = now
    report = validate(contract.twice, hierarchy.trust, now, crls=stranger.crls(now))
    assert seen(report) == (Verdict.INDETERMINATE, SubIndication.TRY_LATER)


def test_the_stamp_lies_within_the_certificate_s_minutes(contract, hierarchy, now, records):
    """As somebody would build it who does not care: our own signing refuses to."""
    certificate, key = hierarchy.signer(contract.binding)
    pending = begin_signature(
        contract.prepared,
        "enterprise-legal-representative",
        certificate,
        hierarchy.signer_chain,
        contract.binding,
        at=now,
    )
    value = cms.sign_attributes(key, certificate, pending.signed_attributes)
    digest = SHA256_of(value)
    hour = timedelta(hours=1)
    cases = (hour, SubIndication.OUT_OF_BOUNDS_NO_POE), (-hour, SubIndication.NOT_YET_VALID)
    for moved, expected in cases:
        hierarchy.clock.now = now + moved
        token = hierarchy.timestamps.timestamp(digest)
        hierarchy.clock.now = now
        content = cms.signed_data(pending.signed_attributes, value, certificate, hierarchy.signer_chain, token)
        room = pending.reserved_start, pending.reserved_end
        signed = fill_contents(pending.document, pending.content_digest, *room, content)
        report = validate(signed, hierarchy.trust, now + timedelta(hours=2), revocation=records)
        assert report.sub_indication is expected


def SHA256_of(data):
    import hashlib

    return hashlib.sha256(data).digest()


# --- signatures of others ----------------------------------------------------------------------------------


@dataclass
class Others:
    """A small authority elsewhere, and what it certified."""

    root: x509.Certificate
    root_key: object
    leaf: x509.Certificate
    key: object

    def crl(self, at, *serials):
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.root.subject)
        builder = builder.last_update(at).next_update(at + timedelta(days=7))
        for serial in serials:
            entry = (
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at - timedelta(hours=1)).build()
            )
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.root_key, SHA256()).public_bytes(Encoding.DER)


def make_others(kind, now, usage=None):
    def key():
        return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP384R1())

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    root_key, leaf_key = key(), key()

    def build(subject, public_key, ca):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name("Elsewhere CA"))
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=900))
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
        flags = dict.fromkeys(
            ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        flags |= {"digital_signature": not ca, "content_commitment": not ca, "key_cert_sign": ca, "crl_sign": ca}
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
        if usage and not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), critical=False)
        return builder.sign(root_key, SHA256())

    root = build(name("Elsewhere CA"), root_key.public_key(), True)
    return Others(root, root_key, build(name("Somebody"), leaf_key.public_key(), False), leaf_key)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_foreign_signature_is_judged_by_the_trust_that_is_given(contract, hierarchy, now, kind):
    others = make_others(kind, now)
    signed = sign_with_key(contract.prepared, "bank-seal", others.key, others.leaf, [], hierarchy.timestamps, at=now)
    assert seen(validate(signed, hierarchy.trust, now, crls=hierarchy.crls(now))) == (
        Verdict.INDETERMINATE,
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
    )
    both = TrustPolicy((hierarchy.root.certificate, others.root), hierarchy.trust.intermediates)
    crls = [*hierarchy.crls(now), others.crl(now)]
    report = validate(signed, both, now, crls=crls)
    assert report.verdict is Verdict.VALID, report.explanation
    assert report.signatures[0].subject == "CN=Somebody"
    assert seen(validate(signed, both, now, crls=hierarchy.crls(now))) == (
        Verdict.INDETERMINATE,
        SubIndication.TRY_LATER,
    )
    revoked = [*hierarchy.crls(now), others.crl(now, others.leaf.serial_number)]
    assert seen(validate(signed, both, now, crls=revoked)) == (Verdict.INDETERMINATE, SubIndication.REVOKED_NO_POE)


def test_a_foreign_certificate_for_web_servers_signs_nothing(contract, hierarchy, now):
    others = make_others("ec", now, usage="1.3.6.1.5.5.7.3.1")
    signed = sign_with_key(contract.prepared, "bank-seal", others.key, others.leaf, [], hierarchy.timestamps, at=now)
    both = TrustPolicy((hierarchy.root.certificate, others.root), hierarchy.trust.intermediates)
    report = validate(signed, both, now, crls=[*hierarchy.crls(now), others.crl(now)])
    assert seen(report) == (Verdict.INDETERMINATE, SubIndication.CHAIN_CONSTRAINTS_FAILURE)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_what_stock_pyhanko_signs_is_read(contract, now, kind):
    """adbe.pkcs7.detached, without a time stamp: B-B, judged as of now."""
    others = make_others(kind, now)
    der = others.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    registry = SimpleCertificateStore()
    registry.register(asn1_x509.Certificate.load(others.root.public_bytes(Encoding.DER)))
    signer = signers.SimpleSigner(
        asn1_x509.Certificate.load(others.leaf.public_bytes(Encoding.DER)),
        asn1_keys.PrivateKeyInfo.load(der),
        registry,
    )
    metadata = signers.PdfSignatureMetadata(field_name="stock", md_algorithm="sha256")
    signed = signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(contract.rendered.pdf)), metadata, signer=signer)
    trust = TrustPolicy((others.root,))
    report = validate(signed.getvalue(), trust, now, crls=[others.crl(now)])
    assert report.verdict is Verdict.VALID, report.explanation
    (entry,) = report.signatures
    assert (entry.level, entry.stamped_at, entry.proven_at) == (Level.B, None, now)
    late = validate(signed.getvalue(), trust, now + timedelta(days=1000))
    assert seen(late) == (Verdict.INDETERMINATE, SubIndication.OUT_OF_BOUNDS_NO_POE)

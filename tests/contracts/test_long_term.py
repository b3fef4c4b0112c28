"""Signatures hold for decades, as long as somebody renews the archive time stamp before it ends.

The authorities of these tests last 41 years and time-stamp certificates 10, which are renewed every nine.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.validation import ades
from pyhanko.sign.validation.policy_decl import LocalKnowledge, PdfSignatureValidationSpec, SignatureValidationSpec
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv import ades_past, poe
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import SimpleTrustManager

from contracts.archive import archive, is_renewal_due, proof_ends_at, renew
from contracts.errors import DocumentNotValid, SigningFailed
from contracts.report import Level, SubIndication, Verdict
from contracts.validation import validate
from pki import assembly, authority
from pki.profiles import ISSUING, ROOT, TSA

MINUTE, YEAR = timedelta(minutes=1), timedelta(days=365.25)
LONG_TSA = replace(TSA, validity=10 * YEAR)
RENEWALS = [9 * YEAR, 18 * YEAR, 27 * YEAR, 36 * YEAR]


@pytest.fixture(scope="module")
def lasting(hierarchy):
    """A hierarchy for decades; its profiles differ in nothing but their validity."""
    with pytest.MonkeyPatch.context() as patch:
        issuing = replace(ISSUING, validity=41 * YEAR)
        for module in (authority, assembly):
            patch.setattr(module, "ISSUING", issuing)
        patch.setattr(authority, "ROOT", replace(ROOT, validity=42 * YEAR))
        lasting = type(hierarchy)(LONG_TSA)
    # pyHanko wants the state of an authority as of the day of validation, so that this root speaks for decades
    lasting.crl_lifetimes["root"] = 40 * YEAR
    return lasting


@pytest.fixture(scope="module")
def signed(lasting, sign_contract):
    """Archived a minute after the last signature, with answers that were given after it."""
    contract, start = sign_contract(lasting), lasting.clock.now
    lasting.clock.now = start + MINUTE
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(lasting.crl_lifetimes, "service", 2 * YEAR)  # less than the seal's certificate
        crls = lasting.crls()
    answers = lasting.ocsp(contract.signer, lasting.seal, lasting.timestamp_certificate)
    contract.archived = archive(
        contract.twice, lasting.timestamps, certificates=lasting.authorities, crls=crls, ocsp_responses=answers
    )
    lasting.clock.now = start
    return contract


@pytest.fixture(scope="module")
def renewed(lasting, signed):
    """The contract after each renewal, by its time.

    The old time stamp's certificate comes with an answer about itself alone: pyHanko would judge the seal's, which has
    expired, by a later list of the same authority.
    """
    start, pdf, found = lasting.clock.now, signed.archived, {}
    for after in RENEWALS:
        lasting.clock.now = start + after
        evidence = {
            "certificates": lasting.authorities,
            "crls": lasting.crls()[:2],  # the root's
            "ocsp_responses": lasting.ocsp(lasting.timestamp_certificate),
        }
        lasting.renew_timestamps(LONG_TSA)
        pdf = renew(pdf, lasting.timestamps, lasting.trust, lasting.clock.now, **evidence)
        found[after] = pdf
    lasting.clock.now = start
    return found


def newest(signed, renewed, after):
    """The file as it is so long after its signing."""
    return [signed.archived, *(renewed[at] for at in RENEWALS if at < after)][-1]


class MovedClock:
    """pyHanko asks the real clock in past validation; the test is about another day."""

    def __init__(self, now):
        self.present = now

    def now(self, tz=None):
        return self.present

    def __getattr__(self, name):
        return getattr(datetime, name)


def simulated(pdf, root, now, at):
    """pyHanko's own forecast for every signature, with revocation data demanded for every certificate."""
    anchor = asn1_x509.Certificate.load(root.public_bytes(Encoding.DER))
    rule = RevocationCheckingRule.CRL_OR_OCSP_REQUIRED
    trust = CertRevTrustPolicy(RevocationCheckingPolicy(rule, rule), retroactive_revinfo=True)
    policy = CertValidationPolicySpec(SimpleTrustManager.build(trust_roots=[anchor]), trust)
    usage = KeyUsageConstraints(key_usage={"digital_signature"})
    spec = PdfSignatureValidationSpec(
        SignatureValidationSpec(policy, local_knowledge=LocalKnowledge(known_certs=[anchor]), key_usage_settings=usage)
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (ades, ades_past, poe):
            patch.setattr(module, "datetime", MovedClock(at))
        for embedded in PdfFileReader(BytesIO(pdf)).embedded_regular_signatures:
            yield asyncio.run(ades.simulate_future_ades_lta_validation(embedded, spec, at, current_reference_time=now))


@pytest.mark.parametrize("years", [1, 5, 10, 30])
@pytest.mark.parametrize("maintained", ["by fiat", "in fact"])
def test_pyhanko_foresees_a_valid_signature(signed, renewed, lasting, now, years, maintained):
    """pyHanko takes for granted that time stamps are maintained; the file with the real ones passes as well."""
    at = now + years * YEAR
    pdf = signed.archived if maintained == "by fiat" else newest(signed, renewed, years * YEAR)
    results = list(simulated(pdf, lasting.root.certificate, now + 2 * MINUTE, at))
    assert len(results) == 2
    for result in results:
        assert result.ades_subindic is AdESPassed.OK
        assert result.api_status.bottom_line  # the result alone would pass a signature that a later field broke
        assert now <= result.best_signature_time <= now + 2 * MINUTE


@pytest.mark.parametrize("after", [timedelta(days=1), YEAR, 5 * YEAR, 10 * YEAR, 30 * YEAR, 37 * YEAR])
def test_renewed_in_time_it_is_valid_for_decades(signed, renewed, lasting, now, after):
    pdf = newest(signed, renewed, after)
    at = now + after
    report = validate(pdf, lasting.trust, at, crls=lasting.crls(at))
    assert report.verdict is Verdict.VALID, report.explanation
    person, bank, *stamps = report.signatures
    assert [person.level, bank.level] == [Level.LTA, Level.LTA]
    assert person.proven_at == bank.proven_at == now
    assert len(stamps) == 1 + sum(renewal < after for renewal in RENEWALS)
    assert all(link.embedded for stamp in stamps[:-1] for link in stamp.chain)


def test_held_to_2063(renewed, lasting):
    report = validate(renewed[RENEWALS[-1]], lasting.trust, datetime(2063, 12, 1, tzinfo=UTC), revocation=None)
    assert report.sub_indication is SubIndication.TRY_LATER  # the newest stamp alone needs an answer from outside
    at = datetime(2063, 12, 1, tzinfo=UTC)
    assert validate(renewed[RENEWALS[-1]], lasting.trust, at, crls=lasting.crls(at)).verdict is Verdict.VALID


def test_forgotten_it_proves_nothing_any_more(signed, lasting, now):
    at = now + 11 * YEAR
    report = validate(signed.archived, lasting.trust, at, crls=lasting.crls(at))
    assert (report.verdict, report.sub_indication) == (Verdict.INDETERMINATE, SubIndication.OUT_OF_BOUNDS_NO_POE)
    with pytest.raises(DocumentNotValid):
        renew(signed.archived, lasting.timestamps, lasting.trust, at, crls=lasting.crls(at))


def test_a_log_that_saw_it_proves_it_instead(signed, lasting, now):
    """`existed_at` is a proof from outside, such as a witnessed head of the log."""
    at, seen_at = now + 11 * YEAR, now + timedelta(days=1)
    report = validate(signed.archived, lasting.trust, at, existed_at=seen_at)
    assert report.verdict is Verdict.VALID


def test_renewal_is_due_a_year_ahead(signed, lasting, now):
    ends_at = proof_ends_at(signed.archived)
    assert ends_at == lasting.timestamp_certificate.not_valid_after_utc or ends_at < now + 10 * YEAR
    assert not is_renewal_due(signed.archived, now + 8 * YEAR)
    assert is_renewal_due(signed.archived, now + 9 * YEAR)
    assert proof_ends_at(signed.once) == ends_at
    with pytest.raises(SigningFailed):
        proof_ends_at(signed.prepared)


def test_a_field_added_later_breaks_the_first_signature_whatever_the_levels_say(signed, lasting, now):
    writer = IncrementalPdfFileWriter(BytesIO(signed.twice))
    append_signature_field(writer, SigFieldSpec("late", box=(10, 10, 90, 90)))
    output = BytesIO()
    writer.write(output)
    broken = archive(output.getvalue(), lasting.timestamps, certificates=lasting.authorities, crls=lasting.crls(now))
    report = validate(broken, lasting.trust, now, crls=lasting.crls(now))
    assert report.covers_entire_file
    assert report.verdict is Verdict.INVALID
    results = list(simulated(broken, lasting.root.certificate, now + 2 * MINUTE, now + 30 * YEAR))
    assert not all(result.api_status.bottom_line for result in results)

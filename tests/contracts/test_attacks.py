"""No forged file of any generator is VALID; every harmless twin is."""

import hashlib

import pytest

from contracts.archive import archive
from contracts.binding import SignatureBinding
from contracts.consent import get_wording
from contracts.report import Verdict
from contracts.signing import begin_signature, finish_signature, sign_with_key
from contracts.validation import validate
from tests.attacks.contracts import ATTACKS, Stage


@pytest.fixture(scope="module")
def stage(contract, hierarchy):
    def sign_person(pdf, field, shown=None):
        read = hashlib.sha256(pdf if shown is None else shown).digest()
        binding = SignatureBinding(bytes(32), get_wording().sha256, read)
        certificate, key = hierarchy.signer(binding)
        pending = begin_signature(pdf, field, certificate, hierarchy.signer_chain, binding, at=hierarchy.clock.now)
        value = sign_attributes(key, certificate, pending.signed_attributes)
        return finish_signature(pending, value, hierarchy.timestamps)

    def sign_bank(pdf, field):
        credentials = hierarchy.seal_key, hierarchy.seal, hierarchy.seal_chain
        return sign_with_key(pdf, field, *credentials, hierarchy.timestamps, at=hierarchy.clock.now)

    def stamp(pdf):
        return archive(pdf, hierarchy.timestamps)

    from contracts.cms import sign_attributes

    return Stage(contract.prepared, contract.once, contract.twice, contract.archived, sign_person, sign_bank, stamp)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_no_forgery_is_accepted(attack, stage, hierarchy, now, records):
    forged = list(attack.forge(stage))
    accepted = [
        name for name, pdf in forged if validate(pdf, hierarchy.trust, now, revocation=records).verdict is Verdict.VALID
    ]
    assert forged
    assert accepted == []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_harmless_twin_stays_valid(attack, stage, hierarchy, now, records):
    report = validate(attack.twin(stage), hierarchy.trust, now, revocation=records)
    assert report.verdict is Verdict.VALID, report.explanation

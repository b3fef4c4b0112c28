"""Two steps with a key elsewhere, one step with a key at hand; nothing unverified is ever embedded."""

import hashlib
import pickle
from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from contracts.binding import SignatureBinding, attribute_value, parse_attribute_value
from contracts.consent import get_wording
from contracts.errors import (
    ContractError,
    InvalidEvidence,
    InvalidSignature,
    MissingGlyph,
    SigningFailed,
    TimestampFailed,
    UnsafeDocument,
)
from contracts.report import Verdict
from contracts.signing import PendingSignature, begin_signature, finish_signature, prepare_document, sign_with_key
from contracts.validation import validate
from pki.binding import get_signature_binding

FIELD = "enterprise-legal-representative"


def binding_to(document):
    return SignatureBinding(bytes(32), get_wording().sha256, hashlib.sha256(document).digest())


@pytest.fixture
def begun(contract, hierarchy, now):
    binding = binding_to(contract.prepared)
    certificate, key = hierarchy.signer(binding)
    pending = begin_signature(contract.prepared, FIELD, certificate, hierarchy.signer_chain, binding, at=now)
    return pending, key


def test_preparing_is_reproducible_and_refuses_doubles(contract):
    places = contract.rendered.places
    assert prepare_document(contract.rendered.pdf, places) == contract.prepared
    with pytest.raises(SigningFailed):
        prepare_document(contract.prepared, places)
    with pytest.raises(SigningFailed):
        prepare_document(b"not a PDF", places)


def test_each_revision_begins_with_the_one_before(contract):
    chain = [contract.rendered.pdf, contract.prepared, contract.once, contract.twice]
    for earlier, later in pairwise(chain):
        assert later.startswith(earlier)


def test_a_pending_signature_survives_storage(begun, hierarchy, webcrypto, now, records):
    pending, key = begun
    stored = PendingSignature.load(pending.dump())
    assert stored == pending
    assert pending.digest_algorithm == "sha256"
    signed = finish_signature(stored, webcrypto(key, stored.signed_attributes), hierarchy.timestamps)
    assert validate(signed, hierarchy.trust, now, revocation=records).verdict is Verdict.VALID


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b'{"format":"yunlian-pending-signature/1"}'])
def test_junk_is_no_pending_signature(junk):
    with pytest.raises(SigningFailed):
        PendingSignature.load(junk)


def test_der_signatures_are_taken_too(begun, hierarchy, now, records):
    pending, key = begun
    value = key.sign(pending.signed_attributes, ec.ECDSA(hashes.SHA256()))
    signed = finish_signature(pending, value, hierarchy.timestamps)
    assert validate(signed, hierarchy.trust, now, revocation=records).verdict is Verdict.VALID


def test_what_does_not_verify_is_not_embedded(begun, hierarchy, webcrypto):
    pending, key = begun
    good = webcrypto(key, pending.signed_attributes)
    other = ec.generate_private_key(ec.SECP256R1())
    for bad in (
        webcrypto(other, pending.signed_attributes),
        webcrypto(key, pending.content_digest),
        good[:-1] + bytes([good[-1] ^ 1]),
        good[:-1],
        bytes(64),
        b"",
    ):
        with pytest.raises(InvalidSignature):
            finish_signature(pending, bad, hierarchy.timestamps)


def test_certificate_and_attribute_carry_the_binding(contract):
    assert get_signature_binding(contract.signer) == contract.binding
    assert parse_attribute_value(attribute_value(contract.binding)) == contract.binding
    with pytest.raises(InvalidSignature):
        parse_attribute_value(attribute_value(contract.binding) + b"\0")


def test_the_binding_names_a_revision_of_this_document(contract, hierarchy, now):
    binding = binding_to(b"another document")
    certificate, _ = hierarchy.signer(binding)
    with pytest.raises(SigningFailed):
        begin_signature(contract.prepared, FIELD, certificate, hierarchy.signer_chain, binding, at=now)


def test_fields_are_filled_once_and_must_exist(contract, hierarchy, now):
    for pdf, field in ((contract.once, FIELD), (contract.prepared, "nothing"), (b"%PDF-1.7", FIELD)):
        with pytest.raises(SigningFailed):
            begin_signature(pdf, field, hierarchy.seal, hierarchy.seal_chain, at=now)


def test_parties_in_parallel_bind_to_the_revision_that_both_read(contract, hierarchy, webcrypto, now, records):
    binding = binding_to(contract.prepared)
    certificate, key = hierarchy.signer(binding)
    pending = begin_signature(contract.once, "bank-seal", certificate, hierarchy.signer_chain, binding, at=now)
    signed = finish_signature(pending, webcrypto(key, pending.signed_attributes), hierarchy.timestamps)
    report = validate(signed, hierarchy.trust, now, revocation=records)
    assert report.verdict is Verdict.VALID
    assert [entry.binding.document_sha256 for entry in report.signatures] == [binding.document_sha256] * 2


class Answering:
    def __init__(self, answer):
        self.answer = answer

    def timestamp(self, digest_sha256):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_time_stamp_is_about_this_signature_and_this_minute(begun, hierarchy, webcrypto, now):
    pending, key = begun
    value = webcrypto(key, pending.signed_attributes)
    foreign = hierarchy.timestamps.timestamp(bytes(32))
    for answer in (b"", b"junk", foreign, b"0\x00", OSError("down")):
        with pytest.raises(TimestampFailed):
            finish_signature(pending, value, Answering(answer))
    hierarchy.clock.now = now + timedelta(hours=1)
    try:
        with pytest.raises(TimestampFailed):
            finish_signature(pending, value, hierarchy.timestamps)
    finally:
        hierarchy.clock.now = now


def test_a_response_around_the_token_is_unwrapped(begun, hierarchy, webcrypto, now, records):
    from asn1crypto import tsp

    class Responding:
        def timestamp(self, digest_sha256):
            imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest_sha256}
            request = tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "cert_req": True})
            return hierarchy.timestamps.authority.answer(request.dump())

    pending, key = begun
    signed = finish_signature(pending, webcrypto(key, pending.signed_attributes), Responding())
    assert validate(signed, hierarchy.trust, now, revocation=records).verdict is Verdict.VALID


def test_a_key_that_is_not_the_certificate_s_signs_nothing(contract, hierarchy, now):
    for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        with pytest.raises(InvalidSignature):
            sign_with_key(
                contract.once,
                "bank-seal",
                key,
                hierarchy.seal,
                hierarchy.seal_chain,
                hierarchy.timestamps,
                at=now,
            )


def test_errors_pass_between_processes():
    def families(base):
        for cls in base.__subclasses__():
            yield cls
            yield from families(cls)

    two_facts = {MissingGlyph, UnsafeDocument, InvalidEvidence}
    for cls in families(ContractError):
        error = cls("a", "b") if cls in two_facts else cls("a")
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (type(copy), str(copy)) == (cls, str(error))
    assert len({cls.code for cls in families(ContractError)}) == len(list(families(ContractError)))

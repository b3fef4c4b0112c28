import hashlib
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.errors import VerificationError

from pki import der, keys
from pki.errors import InvalidTimestampRequest, ProfileViolation
from pki.keys import KeyType
from pki.profiles import SEAL, TIMESTAMP_POLICY, TSA
from pki.timestamp import TimestampAuthority
from tests.pki.hierarchy import Hierarchy

HIERARCHY = Hierarchy()


class Response(core.Sequence):
    """TimeStampResp; in asn1crypto's own class the token is not optional."""

    _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]  # noqa: RUF012


MESSAGE = "合同".encode()


def authority(key_type: KeyType = KeyType.EC_P256) -> TimestampAuthority:
    key, certificate = HIERARCHY.issue(TSA, key_type)
    service = HIERARCHY.issuing["service"]
    return TimestampAuthority(certificate, (service.certificate, *service.chain), key, HIERARCHY.clock)


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048])
@pytest.mark.parametrize("hash_algorithm", [HashAlgorithm.SHA256, HashAlgorithm.SHA512])
def test_rfc3161_client_accepts_the_answer(key_type: KeyType, hash_algorithm: HashAlgorithm) -> None:
    request = TimestampRequestBuilder(data=MESSAGE, hash_algorithm=hash_algorithm).build()
    response = decode_timestamp_response(authority(key_type).answer(request.as_bytes()))
    verifier = VerifierBuilder.from_request(request).add_root_certificate(HIERARCHY.root.certificate).build()
    assert verifier.verify_message(response, MESSAGE)
    assert response.tst_info.policy == TIMESTAMP_POLICY
    assert response.tst_info.nonce == request.nonce
    assert response.tst_info.gen_time == HIERARCHY.clock()
    with pytest.raises(VerificationError):
        verifier.verify_message(response, MESSAGE + b"!")


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_openssl_makes_the_request_and_verifies_the_answer(tmp_path: Path, key_type: KeyType, digest: str) -> None:
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "root.pem").write_bytes(HIERARCHY.root.certificate.public_bytes(Encoding.PEM))
    query = ["openssl", "ts", "-query", "-data", "message", f"-{digest}", "-cert", "-out", "query"]
    subprocess.run(query, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "reply").write_bytes(authority(key_type).answer((tmp_path / "query").read_bytes()))
    at = str(int(HIERARCHY.clock().timestamp()))
    verify = ["openssl", "ts", "-verify", "-queryfile", "query", "-in", "reply", "-CAfile", "root.pem"]
    done = subprocess.run([*verify, "-attime", at], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "Verification: OK" in done.stdout, done.stderr


def test_a_token_made_in_process_is_the_token_of_an_answer() -> None:
    digest = hashlib.sha384(MESSAGE).digest()
    token = cms.ContentInfo.load(authority().token(digest, "sha384"), strict=True)
    info = token["content"]["encap_content_info"]["content"].parsed
    assert isinstance(info, tsp.TSTInfo)
    assert info["message_imprint"].native == {
        "hash_algorithm": {"algorithm": "sha384", "parameters": None},
        "hashed_message": digest,
    }
    assert info["gen_time"].native == HIERARCHY.clock()
    assert info["accuracy"]["seconds"].native == 1
    with pytest.raises(InvalidTimestampRequest):
        authority().token(digest, "sha256")
    with pytest.raises(InvalidTimestampRequest):
        authority().token(bytes(20), "sha1")


def test_serial_numbers_differ() -> None:
    stamps = authority()
    serials = {
        cms.ContentInfo.load(stamps.token(bytes(32)))["content"]["encap_content_info"]["content"]
        .parsed["serial_number"]
        .native
        for _ in range(50)
    }
    assert len(serials) == 50


def request(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "version": 1,
        "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
    }
    return bytes(tsp.TimeStampReq(fields | changes).dump())


@pytest.mark.parametrize(
    ("query", "failure"),
    [
        (b"", "bad_data_format"),
        (b"\x30\x80\x00\x00", "bad_data_format"),
        (request()[:-1], "bad_data_format"),
        (request() + b"\0", "bad_data_format"),
        (request() + bytes(70_000), "bad_data_format"),
        (request(version=2), "bad_data_format"),
        (request(req_policy="1.2.3"), "unaccepted_policy"),
        (request(extensions=[{"extn_id": "1.2.3", "extn_value": b""}]), "unaccepted_extensions"),
        (
            request(message_imprint={"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)}),
            "bad_alg",
        ),
        (
            request(message_imprint={"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(31)}),
            "bad_data_format",
        ),
    ],
)
def test_bad_requests_are_rejected_with_their_failure(query: bytes, failure: str) -> None:
    response = Response.load(authority().answer(query), strict=True)
    assert response["status"]["status"].native == "rejection"
    assert response["status"]["fail_info"].native == {failure}
    assert response["time_stamp_token"].native is None


STAMPS = authority()


@given(st.binary(max_size=120))
@settings(max_examples=200)
def test_any_bytes_get_an_answer(query: bytes) -> None:
    assert Response.load(STAMPS.answer(query), strict=True)["status"]["status"].native == "rejection"


def test_no_flipped_bit_ends_in_an_exception() -> None:
    original = request(nonce=2**64, cert_req=True)
    for bit in range(len(original) * 8):
        flipped = bytearray(original)
        flipped[bit // 8] ^= 1 << bit % 8
        assert Response.load(STAMPS.answer(bytes(flipped)), strict=True)["status"]["status"].native in {
            "granted",
            "rejection",
        }


@given(st.integers(0, 2**128))
def test_any_nonce_comes_back(nonce: int) -> None:
    response = Response.load(STAMPS.answer(request(nonce=nonce)), strict=True)
    info = response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    assert info["nonce"].native == nonce
    assert len(response["time_stamp_token"]["content"]["certificates"] or []) == 0


@given(st.integers(-(2**200), 2**200), st.binary(max_size=300))
def test_der_agrees_with_asn1crypto(number: int, data: bytes) -> None:
    assert der.sequence(der.integer(number), der.octet_string(data)) == (
        core.SequenceOf(spec=core.Any, value=[core.Integer(number), core.OctetString(data)]).dump()
    )


def test_only_a_time_stamping_certificate_will_do() -> None:
    key, certificate = HIERARCHY.issue(SEAL)
    with pytest.raises(ProfileViolation):
        TimestampAuthority(certificate, (), key, HIERARCHY.clock)
    _, stamping = HIERARCHY.issue(TSA)
    with pytest.raises(ProfileViolation):
        TimestampAuthority(stamping, (), keys.generate(KeyType.EC_P256), HIERARCHY.clock)
    assert isinstance(stamping, x509.Certificate)

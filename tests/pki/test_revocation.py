import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from pki import keys
from pki.authority import IssuingAuthority
from pki.errors import InvalidRevocation
from pki.keys import KeyType
from pki.profiles import API, OCSP
from pki.revocation import (
    GOOD,
    MAXIMUM_OCSP_BYTES,
    OCSP_LIFETIME,
    OcspAnswer,
    OcspResponder,
    Reason,
    RevocationState,
    RevokedEntry,
    answer_ocsp,
    build_crl,
)
from tests.pki import pkilint_oracle
from tests.pki.hierarchy import START, Hierarchy, request_for

CA = Hierarchy()
AUTHORITY = CA.issuing["api"]
DAY = timedelta(days=1)
REVOKED = [
    RevokedEntry(1 << 158 | 1, START - DAY, Reason.key_compromise),
    RevokedEntry(1 << 158 | 2, START - DAY, Reason.certificate_hold),
    RevokedEntry(1 << 158 | 3, START - DAY),
]


def responder(authority: IssuingAuthority) -> OcspResponder:
    key = keys.generate(KeyType.EC_P256)
    certificate = authority.issue(authority.prepare(OCSP, request_for(OCSP, key)))
    return OcspResponder(authority.name, authority.certificate, certificate, key)


RESPONDERS = [responder(authority) for authority in (*CA.issuing.values(), CA.root)]


# CRLs


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048])
def test_pkilint_and_openssl_accept_full_and_delta_crls(tmp_path: Path, key_type: KeyType) -> None:
    ca = Hierarchy(key_type)
    api = ca.issuing["api"]
    (tmp_path / "issuer").write_bytes(api.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "root").write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
    full = build_crl(api, REVOKED, 7, START, START + DAY)
    delta = build_crl(
        api, [*REVOKED, RevokedEntry(9, START, Reason.remove_from_crl)], 8, START, START + DAY, delta_of=7
    )
    for der in (full, build_crl(api, [], 1, START, START + DAY), delta):
        assert pkilint_oracle.lint_crl(der) == []
        (tmp_path / "crl").write_bytes(der)
        command = ["openssl", "crl", "-inform", "DER", "-in", "crl", "-noout", "-CAfile", "issuer"]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert "verify OK" in done.stdout + done.stderr


def test_openssl_refuses_a_revoked_certificate_by_the_crl(tmp_path: Path) -> None:
    _, good = CA.issue(API)
    _, bad = CA.issue(API)
    crl = build_crl(AUTHORITY, [RevokedEntry(bad.serial_number, START)], 1, START, START + DAY)
    root = build_crl(CA.root, [], 1, START, START + DAY)
    pem = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in (crl, root)]
    (tmp_path / "crls").write_bytes(b"".join(pem))
    names = {"root": CA.root.certificate, "issuer": AUTHORITY.certificate, "good": good, "bad": bad}
    for name, certificate in names.items():
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-crl_check_all", "-CRLfile", "crls", "-CAfile", "root"]
    command += ["-untrusted", "issuer", "-attime", str(int(START.timestamp()))]
    for leaf, expected in (("good", "good: OK"), ("bad", "certificate revoked")):
        done = subprocess.run([*command, leaf], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert expected in done.stdout + done.stderr


def test_a_crl_says_what_was_put_in() -> None:
    crl = x509.load_der_x509_crl(build_crl(AUTHORITY, REVOKED, 7, START, START + DAY))
    assert crl.is_signature_valid(AUTHORITY.certificate.public_key())
    assert (crl.last_update_utc, crl.next_update_utc) == (START, START + DAY)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    reasons = {entry.serial_number: entry.extensions for entry in crl}
    assert set(reasons) == {entry.serial_number for entry in REVOKED}
    assert not list(reasons[REVOKED[2].serial_number])
    held = reasons[REVOKED[1].serial_number].get_extension_for_class(x509.CRLReason)
    assert held.value.reason is Reason.certificate_hold


def test_a_delta_crl_names_its_base_and_only_it_removes() -> None:
    released = [RevokedEntry(REVOKED[1].serial_number, START, Reason.remove_from_crl)]
    crl = x509.load_der_x509_crl(build_crl(AUTHORITY, released, 8, START, START + DAY, delta_of=7))
    indicator = crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert indicator.critical
    assert indicator.value.crl_number == 7
    for entries, number, until, base in (
        (released, 8, START + DAY, None),
        ([], 7, START + DAY, 7),
        ([], 7, START + DAY, -1),
        ([], 7, START, None),
    ):
        with pytest.raises(InvalidRevocation):
            build_crl(AUTHORITY, entries, number, START, until, delta_of=base)


# OCSP


def request_der(
    certificate: x509.Certificate,
    issuer: x509.Certificate = AUTHORITY.certificate,
    *,
    nonce: bytes | None = None,
    digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, digest or hashes.SHA1())  # noqa: S303
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def ask(request: bytes, state: RevocationState | None = GOOD) -> OcspAnswer:
    return answer_ocsp(request, RESPONDERS, lambda _name, _serial: state, CA.clock)


_, LEAF = CA.issue(API)

STATES = [
    (GOOD, ocsp.OCSPCertStatus.GOOD, None),
    (RevocationState(START, Reason.key_compromise), ocsp.OCSPCertStatus.REVOKED, Reason.key_compromise),
    (RevocationState(START, Reason.certificate_hold), ocsp.OCSPCertStatus.REVOKED, Reason.certificate_hold),
    (RevocationState(START), ocsp.OCSPCertStatus.REVOKED, None),
    (None, ocsp.OCSPCertStatus.UNKNOWN, None),
]


@pytest.mark.parametrize(("state", "status", "reason"), STATES)
@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303
def test_an_answer_says_the_state_and_pkilint_finds_nothing(
    state: RevocationState | None,
    status: ocsp.OCSPCertStatus,
    reason: x509.ReasonFlags | None,
    digest: hashes.HashAlgorithm,
) -> None:
    answer = ask(request_der(LEAF, digest=digest), state)
    response = ocsp.load_der_ocsp_response(answer.der)
    assert (response.certificate_status, response.revocation_reason) == (status, reason)
    assert response.serial_number == LEAF.serial_number
    assert (response.this_update_utc, response.next_update_utc) == (START, START + OCSP_LIFETIME)
    assert answer.cacheable_until == START + OCSP_LIFETIME
    assert pkilint_oracle.lint_ocsp(answer.der) == []


def test_each_authority_answers_by_its_own_responder() -> None:
    asked = []

    def status_of(name: str, serial: int) -> RevocationState:
        asked.append((name, serial))
        return GOOD

    root = request_der(AUTHORITY.certificate, CA.root.certificate)
    for request in (request_der(LEAF), root):
        answer_ocsp(request, RESPONDERS, status_of, CA.clock)
    assert asked == [("api", LEAF.serial_number), ("root", AUTHORITY.certificate.serial_number)]


@pytest.mark.parametrize(("state", "expected"), [(GOOD, "good"), (RevocationState(START), "revoked")])
def test_openssl_asks_and_accepts_the_delegated_answer(tmp_path: Path, state: RevocationState, expected: str) -> None:
    for name, certificate in {"root": CA.root.certificate, "issuer": AUTHORITY.certificate, "leaf": LEAF}.items():
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    ask_command = ["openssl", "ocsp", "-issuer", "issuer", "-cert", "leaf", "-reqout", "query", "-no_nonce"]
    subprocess.run(ask_command, cwd=tmp_path, check=False, capture_output=True)
    (tmp_path / "answer").write_bytes(ask((tmp_path / "query").read_bytes(), state).der)
    command = ["openssl", "ocsp", "-issuer", "issuer", "-cert", "leaf", "-respin", "answer", "-no_nonce"]
    command += ["-CAfile", "root", "-verify_other", "issuer"]
    command += ["-attime", str(int(START.timestamp())), "-validity_period", "999999999"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "Response verify OK" in done.stdout + done.stderr
    assert f"leaf: {expected}" in done.stdout


@pytest.mark.parametrize("length", [1, 16, 32, 128])
def test_a_nonce_comes_back_and_keeps_the_answer_out_of_caches(length: int) -> None:
    answer = ask(request_der(LEAF, nonce=bytes(range(length))))
    response = ocsp.load_der_ocsp_response(answer.der)
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == bytes(range(length))
    assert answer.cacheable_until is None
    assert pkilint_oracle.lint_ocsp(answer.der) == []


def status_of(der: bytes) -> ocsp.OCSPResponseStatus:
    return ocsp.load_der_ocsp_response(der).response_status


def changed(change: Callable[[asn1_ocsp.OCSPRequest], object]) -> bytes:
    request = asn1_ocsp.OCSPRequest.load(request_der(LEAF))
    change(request)
    return bytes(request.dump(force=True))


def one(request: asn1_ocsp.OCSPRequest) -> asn1_ocsp.Request:
    return request["tbs_request"]["request_list"][0]


def critical_extension(request: asn1_ocsp.OCSPRequest) -> None:
    unknown = {"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}
    request["tbs_request"]["request_extensions"] = [unknown]


MALFORMED, UNAUTHORIZED = ocsp.OCSPResponseStatus.MALFORMED_REQUEST, ocsp.OCSPResponseStatus.UNAUTHORIZED
BAD_REQUESTS: dict[str, tuple[bytes, ocsp.OCSPResponseStatus]] = {
    "empty": (b"", MALFORMED),
    "an empty sequence": (b"\x30\x00", MALFORMED),
    "truncated": (request_der(LEAF)[:-1], MALFORMED),
    "trailing octet": (request_der(LEAF) + b"\0", MALFORMED),
    "oversized": (request_der(LEAF) + bytes(MAXIMUM_OCSP_BYTES), MALFORMED),
    "indefinite length": (b"\x30\x80" + request_der(LEAF)[2:] + b"\0\0", MALFORMED),
    "a nonce of no octets": (request_der(LEAF, nonce=b""), MALFORMED),
    "a nonce of 129 octets": (request_der(LEAF, nonce=bytes(129)), MALFORMED),
    "a critical extension": (changed(critical_extension), MALFORMED),
    "two certificates": (changed(lambda r: r["tbs_request"]["request_list"].append(one(r))), MALFORMED),
    "no certificate": (changed(lambda r: r["tbs_request"].__setitem__("request_list", [])), MALFORMED),
    "a negative serial": (changed(lambda r: one(r)["req_cert"].__setitem__("serial_number", -1)), MALFORMED),
    "a serial of 21 octets": (changed(lambda r: one(r)["req_cert"].__setitem__("serial_number", 2**160)), MALFORMED),
    "SHA-512 in the CertID": (request_der(LEAF, digest=hashes.SHA512()), UNAUTHORIZED),
    "an unknown digest in the CertID": (
        changed(lambda r: one(r)["req_cert"].__setitem__("hash_algorithm", {"algorithm": "1.2.3.4"})),
        MALFORMED,
    ),
}


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_bad_requests_get_their_status(kind: str) -> None:
    request, status = BAD_REQUESTS[kind]
    assert status_of(ask(request).der) is status


def test_certificates_of_others_are_not_spoken_for() -> None:
    stranger = Hierarchy()
    _, leaf = stranger.issue(API)
    request = request_der(leaf, stranger.issuing["api"].certificate)
    assert status_of(ask(request).der) is ocsp.OCSPResponseStatus.UNAUTHORIZED


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    assert status_of(ask(data).der) is not ocsp.OCSPResponseStatus.SUCCESSFUL


def test_no_flipped_bit_ends_in_an_exception() -> None:
    original = request_der(LEAF, nonce=bytes(32))
    for bit in range(len(original) * 8):
        request = bytearray(original)
        request[bit // 8] ^= 1 << bit % 8
        assert status_of(ask(bytes(request)).der) in set(ocsp.OCSPResponseStatus)

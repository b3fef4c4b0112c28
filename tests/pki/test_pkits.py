"""NIST's Public Key Interoperability Test Suite (PKITS 1.0.1), as pyca publishes it in `cryptography_vectors`.

Each test comes as a signed message that holds the path and its CRLs; its name says what is expected, but for the
policy tests, which are run under several settings (PKITS §4.8 to §4.12).
"""

import email
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import cms

from pki.errors import PathInvalid
from pki.foreign import PolicyInputs, validate_foreign_path

vectors = pytest.importorskip("cryptography_vectors", reason="cryptography_vectors is not installed")
FOLDER = Path(vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2020, 1, 1, tzinfo=UTC)

DSA = "DSA is not accepted, nor its SHA-1"
SKIPPED = {
    "ValidDSASignaturesTest4": DSA,
    "ValidDSAParameterInheritanceTest5": DSA,
    "InvalidDSASignatureTest6": DSA,
}

# In the message of this test the authority's certificate bears a signature that does not verify; in the folder of
# certificates it is good.
TAKEN_FROM_FOLDER = {"ValidNameChainingUIDsTest6": "UIDCACert.crt"}

P1, P2, P3, P6 = (f"2.16.840.1.101.3.2.1.48.{number}" for number in (1, 2, 3, 6))
ANY = PolicyInputs()
EXPLICIT = PolicyInputs(require_explicit=True)


def only(*policies: str, **flags: bool) -> PolicyInputs:
    return PolicyInputs(frozenset(policies), require_explicit=True, **flags)


# What the names do not say: the settings of each policy test and whether the path is valid under them.
BY_SETTING: dict[str, list[tuple[PolicyInputs, bool]]] = {
    "MissingCRLTest1": [(ANY, False)],
    "AllCertificatesSamePolicyTest1": [(EXPLICIT, True), (only(P1), True), (only(P2), False), (only(P1, P2), True)],
    "AllCertificatesNoPoliciesTest2": [(ANY, True), (EXPLICIT, False)],
    "DifferentPoliciesTest3": [(ANY, True), (EXPLICIT, False), (only(P1, P2), False)],
    "DifferentPoliciesTest4": [(ANY, False)],
    "DifferentPoliciesTest5": [(ANY, False)],
    "OverlappingPoliciesTest6": [(ANY, True), (only(P1), True), (only(P2), False)],
    "DifferentPoliciesTest7": [(ANY, False)],
    "DifferentPoliciesTest8": [(ANY, False)],
    "DifferentPoliciesTest9": [(ANY, False)],
    "AllCertificatesSamePoliciesTest10": [(ANY, True), (only(P1), True), (only(P2), True)],
    "AllCertificatesAnyPolicyTest11": [(ANY, True), (only(P1), True)],
    "DifferentPoliciesTest12": [(ANY, False)],
    "AllCertificatesSamePoliciesTest13": [(only(P1), True), (only(P2), True), (only(P3), True)],
    "AnyPolicyTest14": [(only(P1), True), (only(P2), False)],
    "UserNoticeQualifierTest15": [(ANY, True)],
    "UserNoticeQualifierTest16": [(ANY, True)],
    "UserNoticeQualifierTest17": [(ANY, True)],
    "UserNoticeQualifierTest18": [(only(P1), True), (only(P2), True)],
    "UserNoticeQualifierTest19": [(ANY, True)],
    "CPSPointerQualifierTest20": [(ANY, True)],
    "ValidPolicyMappingTest1": [(only(P1), True), (only(P2), False), (only(P1, inhibit_mapping=True), False)],
    "ValidPolicyMappingTest3": [(only(P1), False), (only(P2), True)],
    "ValidPolicyMappingTest5": [(only(P1), True), (only(P6), False)],
    "ValidPolicyMappingTest6": [(only(P1), True), (only(P6), False)],
    "ValidPolicyMappingTest12": [(only(P1), True), (only(P2), True)],
    "inhibitAnyPolicyTest3": [(ANY, True), (PolicyInputs(inhibit_any=True), False)],
}


def cases() -> list[object]:
    found = []
    for path in sorted((FOLDER / "smime").glob("Signed*.eml")):
        name = path.stem.removeprefix("Signed")
        settings = BY_SETTING.get(name) or [(ANY, {"V": True, "I": False}[name[0]])]
        for number, (inputs, is_valid) in enumerate(settings, 1):
            marks = [pytest.mark.skip(reason=SKIPPED[name])] if name in SKIPPED else []
            found.append(pytest.param(name, inputs, is_valid, id=f"{name}-{number}", marks=marks))
    return found


@cache
def message(name: str) -> tuple[list[bytes], list[bytes]]:
    """Its certificates, the signer's last, and its CRLs."""
    parsed = email.message_from_bytes((FOLDER / "smime" / f"Signed{name}.eml").read_bytes())
    signature = next(part for part in parsed.walk() if "pkcs7" in part.get_content_type())
    signed = cms.ContentInfo.load(signature.get_payload(decode=True))["content"]
    serial = signed["signer_infos"][0]["sid"].chosen["serial_number"].native
    certificates = [choice.chosen for choice in signed["certificates"]]
    certificates.sort(key=lambda certificate: certificate.serial_number == serial and not certificate.ca)
    ders = [certificate.dump() for certificate in certificates]
    if name in TAKEN_FROM_FOLDER:
        ders.insert(0, (FOLDER / "certs" / TAKEN_FROM_FOLDER[name]).read_bytes())
    return ders, [choice.chosen.dump() for choice in signed["crls"] or []]


@cache
def anchor() -> bytes:
    return (FOLDER / "certs" / "TrustAnchorRootCertificate.crt").read_bytes()


@pytest.mark.parametrize(("name", "inputs", "is_valid"), cases())
def test_pkits(name: str, inputs: PolicyInputs, is_valid: bool) -> None:
    (*intermediates, leaf), crls = message(name)
    if is_valid:
        chain = validate_foreign_path(leaf, [anchor()], intermediates, crls, AT, policies=inputs)
        assert chain[0] == leaf
        assert chain[-1] == anchor()
    else:
        with pytest.raises(PathInvalid):
            validate_foreign_path(leaf, [anchor()], intermediates, crls, AT, policies=inputs)


def test_every_test_of_the_suite_is_there() -> None:
    assert len({case.values[0] for case in cases()}) == 224

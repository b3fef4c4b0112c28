import copy
import multiprocessing
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pki import suite
from pki.authority import IssuingAuthority, PublicationUrls, Subject, create_root, sign_issuing
from pki.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from pki.errors import (
    InvalidKeyName,
    KeyExists,
    KeyNotFound,
    PkiError,
    TokenUnavailable,
    UnsupportedAlgorithm,
    WrongPassphrase,
)
from pki.keys import KeyType, check_public_key, generate
from pki.ports import KeyStore
from pki.profiles import API, OCSP, TSA
from pki.revocation import GOOD, OcspResponder, RevokedEntry, answer_ocsp, build_crl
from pki.timestamp import TimestampAuthority
from tests.pki import pkilint_oracle
from tests.pki.hierarchy import START, MovableClock, request_for
from tests.pki.key_stores import check_deletion
from tests.pki.test_revocation import request_der

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "5678"

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
Pkcs11KeyStore = pytest.importorskip("pki.pkcs11").Pkcs11KeyStore
pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="SoftHSM2 is not installed (Debian: softhsm2)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SoftHSM reads its settings once per process, so all tests share a folder, and each has a token of its own."""
    path = tmp_path_factory.mktemp("softhsm")
    (path / "tokens").mkdir()
    (path / "softhsm2.conf").write_text(f"directories.tokendir = {path / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(path / "softhsm2.conf"))
        yield path


@pytest.fixture
def label(folder: Path) -> str:
    name = uuid.uuid4().hex[:30]
    command = ["softhsm2-util", "--init-token", "--free", "--label", name, "--so-pin", "1234", "--pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    pkcs11.lib(str(LIBRARY)).reinitialize()  # a token made meanwhile is seen then
    return name


@pytest.fixture
def store(label: str) -> Pkcs11KeyStore:
    return Pkcs11KeyStore(str(LIBRARY), label, PIN)


def test_it_is_a_key_store(store: Pkcs11KeyStore, label: str) -> None:
    kept: KeyStore = store
    made = kept.create("issuing-api", KeyType.EC_P256)
    kept.create("log", KeyType.ED25519)
    assert kept.names() == ["issuing-api", "log"]
    again = Pkcs11KeyStore(str(LIBRARY), label, PIN)
    assert again.load("issuing-api").public_key() == made.public_key()
    with pytest.raises(KeyExists):
        kept.create("log", KeyType.EC_P256)
    with pytest.raises(KeyNotFound):
        kept.load("other")
    with pytest.raises(InvalidKeyName):
        kept.load("../root")


def test_a_deleted_key_is_gone_and_its_name_free(store: Pkcs11KeyStore) -> None:
    check_deletion(store)


def test_a_wrong_pin_and_a_missing_token_are_told_apart(label: str) -> None:
    with pytest.raises(WrongPassphrase):
        Pkcs11KeyStore(str(LIBRARY), label, "9999")
    with pytest.raises(TokenUnavailable):
        Pkcs11KeyStore(str(LIBRARY), "no such token", PIN)


TYPES = (KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048)


@pytest.mark.parametrize("key_type", TYPES)
def test_every_algorithm_of_the_suite_signs(store: Pkcs11KeyStore, key_type: KeyType) -> None:
    key = store.create("key", key_type)
    public_key = check_public_key(key.public_key())
    row = suite.suite_for(public_key)
    for algorithm in (row.jose_signature, row.http_signature):
        suite.verify(public_key, algorithm, suite.sign(key, algorithm, b"data"), b"data")


@pytest.mark.parametrize("key_type", TYPES)
def test_the_private_half_stays_in_the_token(store: Pkcs11KeyStore, key_type: KeyType) -> None:
    key = store.create("key", key_type)
    with pytest.raises(UnsupportedAlgorithm):
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if not isinstance(key, Ed25519PrivateKey):
        with pytest.raises(UnsupportedAlgorithm):
            key.private_numbers()
    assert copy.copy(key) is key
    assert copy.deepcopy([key])[0] is key
    held = store._use("key", lambda handle: handle)
    assert held[pkcs11.Attribute.SENSITIVE]
    assert not held[pkcs11.Attribute.EXTRACTABLE]
    secret = pkcs11.Attribute.PRIVATE_EXPONENT if isinstance(key, rsa.RSAPrivateKey) else pkcs11.Attribute.VALUE
    with pytest.raises(pkcs11.PKCS11Error):
        held[secret]


@pytest.mark.parametrize("key_type", TYPES)
def test_a_hierarchy_in_the_token_passes_every_linter(store: Pkcs11KeyStore, key_type: KeyType) -> None:
    clock, urls = MovableClock(), PublicationUrls("http://pki.example.com")
    root = create_root(Subject("Root", "云联银行"), store.create("root", key_type), urls, clock)
    key = store.create("issuing-api", key_type)
    certificate = sign_issuing(root, "api", Subject("Issuing", "云联银行"), check_public_key(key.public_key()))
    authority = IssuingAuthority("api", certificate, (root.certificate,), key, urls, clock)
    leaf = authority.issue(authority.prepare(API, request_for(API, generate(KeyType.EC_P256))))
    leaf.verify_directly_issued_by(certificate)
    assert pkilint_oracle.lint_pair(certificate, leaf) == []
    crl = build_crl(authority, [RevokedEntry(7, START)], 1, START, leaf.not_valid_after_utc)
    assert x509.load_der_x509_crl(crl).is_signature_valid(certificate.public_key())
    responder_key = store.create("ocsp-api", key_type)
    responder_certificate = authority.issue(authority.prepare(OCSP, request_for(OCSP, responder_key)))
    responder = OcspResponder("api", certificate, responder_certificate, responder_key)
    answer = answer_ocsp(request_der(leaf, certificate), [responder], lambda _name, _serial: GOOD, clock)
    assert pkilint_oracle.lint_ocsp(answer.der) == []


def test_a_time_stamp_authority_and_a_log_sign_with_token_keys(store: Pkcs11KeyStore) -> None:
    clock, urls = MovableClock(), PublicationUrls("http://pki.example.com")
    root = create_root(Subject("Root", "云联银行"), generate(KeyType.EC_P256), urls, clock)
    service_key = generate(KeyType.EC_P256)
    certificate = sign_issuing(
        root, "service", Subject("Issuing", "云联银行"), check_public_key(service_key.public_key())
    )
    service = IssuingAuthority("service", certificate, (root.certificate,), service_key, urls, clock)
    key = store.create("tsa", KeyType.EC_P256)
    stamping = service.issue(service.prepare(TSA, request_for(TSA, key)))
    assert TimestampAuthority(stamping, (certificate, root.certificate), key, clock).token(bytes(32))
    log = store.create("log", KeyType.ED25519)
    assert isinstance(log, Ed25519PrivateKey)
    checkpoint = Checkpoint("bank.example.com/log", 1, bytes(32))
    assert verify_checkpoint(sign_checkpoint(checkpoint, log, "bank.example.com/log"), log.public_key()) == checkpoint


def test_a_key_agreement_gives_both_sides_the_same_secret(store: Pkcs11KeyStore) -> None:
    key, peer = store.create("encrypt", KeyType.EC_P256), ec.generate_private_key(ec.SECP256R1())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.exchange(ec.ECDH(), peer.public_key()) == peer.exchange(ec.ECDH(), key.public_key())
    with pytest.raises(UnsupportedAlgorithm):
        key.exchange(ec.ECDH(), ec.generate_private_key(ec.SECP384R1()).public_key())


def test_what_the_token_is_not_asked_for_is_refused_with_a_typed_error(store: Pkcs11KeyStore) -> None:
    on_curve, with_rsa = store.create("ec", KeyType.EC_P256), store.create("rsa", KeyType.RSA_2048)
    assert isinstance(on_curve, ec.EllipticCurvePrivateKey)
    assert isinstance(with_rsa, rsa.RSAPrivateKey)
    long_salt = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    for act in (
        lambda: on_curve.sign(bytes(32), ec.ECDSA(Prehashed(hashes.SHA256()))),
        lambda: with_rsa.sign(bytes(32), padding.PKCS1v15(), Prehashed(hashes.SHA256())),
        lambda: with_rsa.sign(b"", padding.PKCS1v15(), hashes.SHA224()),
        lambda: with_rsa.sign(b"", long_salt, hashes.SHA256()),
        lambda: with_rsa.decrypt(bytes(256), padding.PKCS1v15()),
    ):
        with pytest.raises(UnsupportedAlgorithm):
            act()


def test_a_loaded_key_signs_in_a_forked_process(store: Pkcs11KeyStore) -> None:
    key = store.create("key", KeyType.EC_P256)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def work() -> None:
        try:
            queue.put((os.getpid(), suite.sign(key, "ES256", b"data")))
        except PkiError as exc:
            queue.put((os.getpid(), repr(exc)))

    workers = [context.Process(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    answers = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    assert len({process for process, _ in answers}) == 2
    for _, signature in answers:
        suite.verify(check_public_key(key.public_key()), "ES256", signature, b"data")
    suite.sign(key, "ES256", b"the parent's session still stands")

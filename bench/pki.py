"""How fast the certificate authority is, against bars: CPU time of one core, ratios measured in turns within one run.

`--quick` takes less than a minute, `--json` prints for scripts; the exit status is 1 where a bar is missed.
"""
# ruff: noqa: E402

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/, where this very file is called pki

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from time import process_time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from app.certificates.issuing import Order, issue_batch
from app.settings import RunProfile, Settings
from app.setup import initialize
from app.wiring import build_services
from bench._results import Result, report
from pki import der, keys, profiles
from pki.assembly import CertificateRequest, PublicationUrls, Subject
from pki.authority import IssuingAuthority, create_root, sign_issuing
from pki.csr import parse_csr
from pki.identifiers import application_urn
from pki.keys import KeyType
from pki.path import Purpose, TrustPolicy, validate_path
from pki.profiles import IssuingRole, Profile
from pki.revocation import GOOD, OCSP_LIFETIME, OcspResponder, Reason, RevokedEntry, answer_ocsp, build_crl
from pki.timestamp import TimestampAuthority
from pki.translog import MerkleLog, NodeId, leaf_hash, verify_consistency, verify_inclusion

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
URN = application_urn("app-1")
BANK = Subject("云联银行", "云联银行股份有限公司")


class Bench:
    """What all measurements share: a hierarchy, and how long to measure."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        urls = PublicationUrls("http://pki.example.com")
        self.root = create_root(Subject("Root", "云联银行"), keys.generate(KeyType.EC_P256), urls, clock)
        self.authorities = {role: self._authority(role) for role in IssuingRole}

    def _authority(self, role: IssuingRole) -> IssuingAuthority:
        key = keys.generate(KeyType.EC_P256)
        subject = Subject(f"Issuing {role}", "云联银行")
        certificate = sign_issuing(self.root, role, subject, keys.check_public_key(key.public_key()))
        return IssuingAuthority(role, certificate, (self.root.certificate,), key, self.root.urls, clock)

    def issue(self, profile: Profile, role: IssuingRole, key_type: KeyType = KeyType.EC_P256) -> "Issued":
        key = keys.generate(key_type)
        public_key = keys.check_public_key(key.public_key())
        uris = (URN,) if profile is profiles.API else ()
        authority = self.authorities[role]
        certificate = authority.issue(authority.prepare(profile, CertificateRequest(BANK, public_key, uris)))
        return Issued(key, certificate)

    def seconds_each(self, *acts: Callable[[], object], batch: int = 50) -> list[float]:
        """CPU seconds per call, of acts that take turns, so that all of them see the same machine."""
        rounds = 12 if self.quick else 40
        times: list[list[float]] = [[] for _ in acts]
        for number in range(rounds + 1):
            for act, spent in zip(acts, times, strict=True):
                started = process_time()
                for _ in range(batch):
                    act()
                if number:  # the first round warms up
                    spent.append((process_time() - started) / batch)
        return [median(spent) for spent in times]


@dataclass(frozen=True)
class Issued:
    key: keys.PrivateKey
    certificate: x509.Certificate


def clock() -> datetime:
    return NOW


def seconds(act: Callable[[], object]) -> float:
    started = process_time()
    act()
    return process_time() - started


# Issuing


def measure_issuing(bench: Bench) -> Iterator[Result]:
    """From the bytes of a CSR to a certificate, against CertificateBuilder and nothing else.

    The bare act makes the same certificate, all its extensions included: subject, serial number, key identifier,
    alternative name, policies, extended key usage and builder anew; issuer's name and key identifier, key usage and
    URLs it has ready. It verifies no CSR and checks nothing. Printed below it, without a bar: the same with subject
    and every extension ready-made too, so that only builder and signature are left; and what nobody can leave out,
    the CSR's signature verified and the certificate's made, on octets that are ready.
    """
    authority = bench.authorities[IssuingRole.API]
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    request = csr.public_bytes(Encoding.DER)

    def whole() -> x509.Certificate:
        checked = parse_csr(request)
        wanted = CertificateRequest(BANK, checked.public_key, (URN,))
        return authority.issue(authority.prepare(profiles.API, wanted))

    public_key, model = key.public_key(), whole()
    bare, ready = bare_builders(authority, public_key, model)
    assert list(bare().extensions) == list(model.extensions)

    def signatures_alone() -> None:
        public_key.verify(csr.signature, csr.tbs_certrequest_bytes, ec.ECDSA(hashes.SHA256()))
        authority.key.sign(model.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))

    spent, spent_bare, spent_ready, spent_signatures = bench.seconds_each(whole, bare, ready, signatures_alone)
    yield Result("certificates issued, CSR to signature", 1 / spent, "/s")
    yield Result("  against CertificateBuilder, name and extensions made", 100 * spent_bare / spent, "%", 50)
    yield Result("  against CertificateBuilder, all ready-made", 100 * spent_ready / spent, "%")
    yield Result("  against its two ECDSA operations alone", 100 * spent_signatures / spent, "%")


def bare_builders(
    authority: IssuingAuthority, public_key: ec.EllipticCurvePublicKey, model: x509.Certificate
) -> tuple[Callable[[], x509.Certificate], Callable[[], x509.Certificate]]:
    ready_made = list(model.extensions)
    fixed = {extension.oid: extension.value for extension in ready_made}

    def build(subject: x509.Name, extensions: Sequence[tuple[x509.ExtensionType, bool]]) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=365))
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return builder.sign(authority.key, hashes.SHA256())

    def made_for_this_key(value: x509.ExtensionType) -> x509.ExtensionType:
        match value:
            case x509.SubjectKeyIdentifier():
                return x509.SubjectKeyIdentifier.from_public_key(public_key)
            case x509.SubjectAlternativeName():
                return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URN)])
            case x509.CertificatePolicies():
                return x509.CertificatePolicies([x509.PolicyInformation(profiles.API.policy, None)])
            case x509.ExtendedKeyUsage():
                return x509.ExtendedKeyUsage([profiles.API.extended_key_usage])
            case _:
                return fixed[value.oid]

    def bare() -> x509.Certificate:
        return build(BANK.name(), [(made_for_this_key(e.value), e.critical) for e in ready_made])

    def ready() -> x509.Certificate:
        return build(model.subject, [(e.value, e.critical) for e in ready_made])

    return bare, ready


def measure_stored_issuing(bench: Bench) -> Iterator[Result]:
    """The same through the service: key claimed, row and journal line written, one commit per hundred."""
    count, size = (400 if bench.quick else 2000), 100
    requests = []
    for _ in range(count):
        key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        requests.append(csr.public_bytes(Encoding.DER))
    with tempfile.TemporaryDirectory() as folder:
        services = build_services(benchmark_settings(Path(folder)), clock)
        initialize(services)

        def issue(batch: Sequence[bytes]) -> None:
            orders = [Order(profiles.API, parse_csr(der).public_key, BANK, URN, "bench") for der in batch]
            with services.transaction() as session:
                issue_batch(services, session, orders)

        issue(requests[:size])
        spent = seconds(lambda: [issue(requests[start : start + size]) for start in range(size, count, size)])
        services.engine.dispose()
    yield Result("certificates issued, stored in SQLite, journalled", (count - size) / spent, "/s", 1500)


def benchmark_settings(folder: Path) -> Settings:
    return Settings(
        profile=RunProfile.TEST,
        var=folder,
        database_url=f"sqlite:///{folder}/yunlian.db",
        secret_key="of the benchmark only",
        data_key=bytes(range(32)),
        keystore_passphrase=b"of the benchmark only",
        root_passphrase=b"of the benchmark only",
        match_policy="demo",
        liveness_policy="demo",
        log_level="ERROR",
    )


def measure_weak_key_checks(bench: Bench) -> Iterator[Result]:
    moduli = [rsa.generate_private_key(65537, 2048).public_key() for _ in range(20 if bench.quick else 60)]
    spent = seconds(lambda: [keys.check_public_key(key) for key in moduli]) / len(moduli)
    yield Result("known weaknesses of an RSA-2048 key", 1000 * spent, "ms", 1, at_least=False)


# Revocation, time stamps, paths


def measure_ocsp(bench: Bench) -> Iterator[Result]:
    authority = bench.authorities[IssuingRole.API]
    leaf, own = bench.issue(profiles.API, IssuingRole.API), bench.issue(profiles.OCSP, IssuingRole.API)
    responder = OcspResponder("api", authority.certificate, own.certificate, own.key)
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf.certificate, authority.certificate, hashes.SHA256())
    request = builder.build().public_bytes(Encoding.DER)
    name_hash, key_hash = responder.issuer_hashes["sha256"]

    def whole() -> bytes:
        return answer_ocsp(request, [responder], lambda _name, _serial: GOOD, clock).der

    def bare() -> bytes:
        return (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                name_hash,
                key_hash,
                leaf.certificate.serial_number,
                hashes.SHA256(),
                ocsp.OCSPCertStatus.GOOD,
                NOW,
                NOW + OCSP_LIFETIME,
                None,
                None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, own.certificate)
            .certificates([own.certificate])
            .sign(own.key, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )

    spent, spent_bare = bench.seconds_each(whole, bare)
    yield Result("OCSP answers", 1 / spent, "/s")
    yield Result("  against OCSPResponseBuilder", 100 * spent_bare / spent, "%", 60)


def measure_timestamps(bench: Bench) -> Iterator[Result]:
    def authority(issued: Issued) -> TimestampAuthority:
        service = bench.authorities[IssuingRole.SERVICE].certificate
        return TimestampAuthority(issued.certificate, (service, bench.root.certificate), issued.key, clock)

    imprint = der.sequence(der.sequence(der.object_identifier(SHA256), der.NULL), der.octet_string(bytes(32)))
    request = der.sequence(der.integer(1), imprint, der.integer(2**63), der.TRUE)
    on_curve = authority(bench.issue(profiles.TSA, IssuingRole.SERVICE))
    assert on_curve.answer(request).startswith(b"\x30\x82")
    [spent] = bench.seconds_each(lambda: on_curve.answer(request))
    yield Result("time-stamp tokens, P-256, request to answer", 1 / spent, "/s", 10_000)
    with_rsa = bench.issue(profiles.TSA, IssuingRole.SERVICE, KeyType.RSA_2048)
    stamps, key = authority(with_rsa), with_rsa.key
    assert isinstance(key, rsa.RSAPrivateKey)
    spent, spent_bare = bench.seconds_each(
        lambda: stamps.answer(request), lambda: key.sign(bytes(200), padding.PKCS1v15(), hashes.SHA256()), batch=10
    )
    yield Result("time-stamp tokens, RSA-2048", 1 / spent, "/s")
    yield Result("  against the bare signature", 100 * spent_bare / spent, "%", 50)


SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")


def measure_crls(bench: Bench) -> Iterator[Result]:
    def crl(count: int, delta_of: int | None) -> float:
        entries = [RevokedEntry(1 << 158 | n, NOW, Reason.key_compromise) for n in range(count)]
        authority = bench.authorities[IssuingRole.API]
        return seconds(lambda: build_crl(authority, entries, 7, NOW, NOW + timedelta(days=1), delta_of=delta_of))

    yield Result("CRL of 100,000 entries", crl(100_000, None), "s", 2, at_least=False)
    yield Result("delta CRL of 1,000 entries", 1000 * median(crl(1000, 6) for _ in range(5)), "ms", 50, at_least=False)


def measure_paths(bench: Bench) -> Iterator[Result]:
    encoded = bench.issue(profiles.API, IssuingRole.API).certificate.public_bytes(Encoding.DER)
    issuers = tuple(authority.certificate for authority in bench.authorities.values())
    trust = TrustPolicy((bench.root.certificate,), issuers)

    def validate() -> None:
        leaf = x509.load_der_x509_certificate(encoded)
        validate_path(leaf, trust, NOW, purpose=Purpose.API, revocation=lambda _: GOOD)

    [spent] = bench.seconds_each(validate)
    yield Result("chains of three validated, leaf parsed", 1 / spent, "/s", 3000)


# The log


class PackedNodes:
    """A NodeStore in memory, a list of hashes per level."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[] for _ in range(40)]

    def size(self) -> int:
        return len(self._levels[0])

    def get(self, nodes: Sequence[NodeId]) -> list[bytes]:
        return [self._levels[level][position] for level, position in nodes]

    def put(self, size: int, nodes: Mapping[NodeId, bytes]) -> None:
        for (level, _), digest in nodes.items():
            self._levels[level].append(digest)
        assert len(self._levels[0]) == size


def measure_log(bench: Bench) -> Iterator[Result]:
    size, batch, heads = 1_000_000, 500, 1000
    log = MerkleLog(PackedNodes())
    entries = [number.to_bytes(8, "big") * 16 for number in range(size)]
    roots = {}

    def grow() -> None:
        for start in range(0, size, batch):
            log.append(map(leaf_hash, entries[start : start + batch]))

    yield Result("leaves appended in batches of 500, to 1,000,000", size / seconds(grow), "/s", 20_000)
    sampled = [int.from_bytes(os.urandom(4)) % size for _ in range(1000)]
    proofs = [log.inclusion_proof(index, size) for index in sampled]
    root = log.root()
    for index, proof in zip(sampled, proofs, strict=True):
        verify_inclusion(leaf_hash(entries[index]), index, size, proof, root)
    largest = max(sum(map(len, proof)) for proof in proofs)
    yield Result("largest inclusion proof at 1,000,000 leaves", largest, "bytes", 1024, at_least=False)
    steps = range(0, size + 1, size // heads)
    roots = {step: log.root(step) for step in steps}

    def verify_all() -> None:
        """What an auditor does: hash every entry again, and join every head to the one before it."""
        again = MerkleLog(PackedNodes())
        for old, new in itertools.pairwise(steps):
            again.append(map(leaf_hash, entries[old:new]))
            assert again.root() == roots[new]
            verify_consistency(old, roots[old], new, roots[new], log.consistency_proof(old, new))

    yield Result("whole log of 1,000,000 verified, 1,000 heads joined", seconds(verify_all), "s", 60, at_least=False)


MEASUREMENTS = (
    measure_issuing,
    measure_stored_issuing,
    measure_weak_key_checks,
    measure_ocsp,
    measure_timestamps,
    measure_crls,
    measure_paths,
    measure_log,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: less than a minute")
    options = parser.parse_args()
    bench = Bench(quick=options.quick)
    results = itertools.chain.from_iterable(measure(bench) for measure in MEASUREMENTS)
    return report(results, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())

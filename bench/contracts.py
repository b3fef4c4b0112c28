"""What it costs to make, sign and validate a contract, beside stock pyHanko in the same run.

    python bench/contracts.py [--quick] [--json]

Prints a table and ends with 1 when a bar is missed. CPU time of this process (all its threads), the least of three
medians; the last lines are the 95th percentile of whole contracts, two at a time on two cores, each with its seals
drawn anew, by CPU and by the clock on the wall, which is what whoever waits sees. The
document is the product service agreement with its embedded fonts (150 kB); keys are loaded, time stamps come from the
embedded authority. Our B-B signature does what a person's does: binding, seal, fields prepared.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from bench._results import Result, report
from contracts import cms, seals
from contracts.archive import archive
from contracts.binding import SignatureBinding
from contracts.edge_seal import paint_edge_seals
from contracts.render import render
from contracts.report import Verdict
from contracts.signing import PendingSignature, begin_signature, fill_contents, finish_signature, prepare_document
from contracts.validation import validate
from tests.contracts.conftest import BANK_USCC, ENTERPRISE_USCC, NOW, TERMS, Hierarchy, nothing_revoked

TEMPLATE = "product-service-agreement"
CORES = 2
"""How many contracts are made at once: the bar by the clock is one of two cores."""


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """CPU time for one call: the least of three medians."""
    work()
    medians = []
    for _ in range(3):
        times = []
        for _ in range(rounds):
            started = time.process_time()
            work()
            times.append(time.process_time() - started)
        medians.append(statistics.median(times))
    return min(medians) * 1000


class Bench:
    """One hierarchy and one prepared contract; every piece of work as a method."""

    def __init__(self) -> None:
        self.house, self.number = Hierarchy(), 500_000
        self.rendered = render(TEMPLATE, TERMS)
        self.prepared = prepare_document(self.rendered.pdf, self.rendered.places)
        self.field, self.bank_field = (place.name for place in self.rendered.places)
        self.binding = SignatureBinding(bytes(32), bytes(32), bytes.fromhex(self._sha256(self.prepared)))
        self.certificate, self.key = self.house.signer(self.binding)
        name = TERMS["enterprise"]
        self.seal = seals.company_and_person_seal(name["name"], ENTERPRISE_USCC, name["legal_representative"])
        self.archived_with = {
            "certificates": self.house.authorities,
            "crls": self.house.crls(),
            "ocsp_responses": self.house.ocsp(self.house.seal, self.house.timestamp_certificate),
        }
        self.signed = self.sign_b_b()
        self.stock_key = self._stock_signer(self.key, self.certificate)
        rsa_key = rsa.generate_private_key(65537, 2048)
        self.stock_rsa = self._stock_signer(rsa_key, self._self_signed(rsa_key))

    @staticmethod
    def _sha256(data: bytes) -> str:
        from hashlib import sha256  # noqa: PLC0415

        return sha256(data).hexdigest()

    def render_next(self) -> None:
        self.number += 1  # the typesetter remembers what it set before
        render(TEMPLATE, {**TERMS, "contract_number": f"YL-2026-{self.number:06d}"})

    def _begin(self) -> PendingSignature:
        return begin_signature(
            self.prepared, self.field, self.certificate, self.house.signer_chain, self.binding, self.seal, at=NOW
        )

    def sign_b_b(self) -> bytes:
        pending = self._begin()
        value = cms.sign_attributes(self.key, self.certificate, pending.signed_attributes)
        content = cms.signed_data(
            pending.signed_attributes, value, self.certificate, self.house.signer_chain, timestamp_token=None
        )
        return fill_contents(
            pending.document, pending.content_digest, pending.reserved_start, pending.reserved_end, content
        )

    def sign_b_t(self) -> bytes:
        pending = self._begin()
        value = cms.sign_attributes(self.key, self.certificate, pending.signed_attributes)
        return finish_signature(pending, value, self.house.timestamps)

    def sign_b_lta(self) -> bytes:
        return archive(self.sign_b_t(), self.house.timestamps, **self.archived_with)

    def validate(self, pdf: bytes) -> None:
        report = validate(pdf, self.house.trust, NOW, revocation=nothing_revoked)
        assert report.verdict is Verdict.VALID, report.explanation

    def whole(self, number: int) -> None:
        """Render, seal across the edges, prepare, sign with a seal of its own, archive, validate."""
        rendered = render(TEMPLATE, {**TERMS, "contract_number": f"YL-2026-{number:06d}"})
        across = seals.company_seal(f"第{number}号测试银行", BANK_USCC)
        prepared = prepare_document(paint_edge_seals(rendered.pdf, across), rendered.places)
        binding = SignatureBinding(bytes(32), bytes(32), bytes.fromhex(self._sha256(prepared)))
        certificate, key = self.house.signer(binding)
        seal = seals.company_and_person_seal(f"第{number}号测试有限公司", ENTERPRISE_USCC, "张三")
        pending = begin_signature(prepared, self.field, certificate, self.house.signer_chain, binding, seal, at=NOW)
        value = cms.sign_attributes(key, certificate, pending.signed_attributes)
        signed = finish_signature(pending, value, self.house.timestamps)
        self.validate(archive(signed, self.house.timestamps, **self.archived_with))

    # --- stock pyHanko ---

    def _self_signed(self, key: rsa.RSAPrivateKey) -> x509.Certificate:
        from datetime import timedelta  # noqa: PLC0415

        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stock")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
        return builder.sign(key, SHA256())

    def _stock_signer(self, key: object, certificate: x509.Certificate) -> signers.SimpleSigner:
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
        registry = SimpleCertificateStore()
        registry.register(asn1_x509.Certificate.load(self.house.signers.certificate.public_bytes(Encoding.DER)))
        return signers.SimpleSigner(
            asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)),
            asn1_keys.PrivateKeyInfo.load(der),
            registry,
        )

    def stock_sign(self, signer: signers.SimpleSigner) -> bytes:
        metadata = signers.PdfSignatureMetadata(field_name=self.field)
        return signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(self.prepared)), metadata, signer=signer).getvalue()

    def stock_validate(self) -> None:
        roots = [asn1_x509.Certificate.load(self.house.root.certificate.public_bytes(Encoding.DER))]
        context = ValidationContext(trust_roots=roots, moment=NOW, allow_fetching=False)
        embedded = PdfFileReader(BytesIO(self.signed)).embedded_signatures[0]
        status = asyncio.run(async_validate_pdf_signature(embedded, context))
        assert status.intact
        assert status.valid


def measure(quick: bool) -> list[Result]:
    bench, rounds = Bench(), 7 if quick else 40
    stock_rounds = max(3, rounds // 3)
    bench.validate(bench.signed)
    archived = bench.sign_b_lta()
    figures = [
        _at_most("render, warm, other terms each time", milliseconds(bench.render_next, rounds), 50),
        _at_most("sign B-B, P-256", milliseconds(bench.sign_b_b, rounds), 14),
        _at_most(
            "sign B-B, P-256, stock pyHanko", milliseconds(lambda: bench.stock_sign(bench.stock_key), stock_rounds)
        ),
        _at_most("sign B-B, RSA-2048, stock", milliseconds(lambda: bench.stock_sign(bench.stock_rsa), stock_rounds)),
        _at_most("sign B-T, P-256", milliseconds(bench.sign_b_t, rounds)),
        _at_most("sign B-LTA, P-256", milliseconds(bench.sign_b_lta, rounds), 65),
        _at_most("validate B-B", milliseconds(lambda: bench.validate(bench.signed), rounds), 15),
        _at_most("validate B-B, stock pyHanko", milliseconds(bench.stock_validate, stock_rounds)),
        _at_most("validate B-LTA", milliseconds(lambda: bench.validate(archived), rounds)),
    ]
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as pool:  # threads survive no fork
        both = [pool.submit(whole_times, 12 if quick else 100) for _ in range(CORES)]
        cpu, wall = zip(*(pair for one in both for pair in one.result()), strict=True)
    whole = "render, seal, sign B-LTA, validate: p95"
    return [
        *figures,
        _at_most(f"{whole}, CPU", _p95(cpu)),
        _at_most(f"{whole}, by the clock", _p95(wall), 300),
    ]


def whole_times(rounds: int) -> list[tuple[float, float]]:
    """(CPU, wall clock) in milliseconds of each whole contract, after two that warm up; one of CORES at once."""
    bench, times = Bench(), []
    for number in range(rounds + 2):
        started, cpu_started = time.perf_counter(), time.process_time()
        bench.whole(number)
        times.append(((time.process_time() - cpu_started) * 1000, (time.perf_counter() - started) * 1000))
    return times[2:]


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * len(values))]


def _at_most(name: str, value: float, bar: float | None = None) -> Result:
    return Result(name, value, "ms", bar, at_least=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.quick)
    return report(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())

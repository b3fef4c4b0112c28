"""Validation accepts what signing makes, as other readers do, and nothing that was changed."""

import os
import random
import re
import shutil
import subprocess
from datetime import timedelta
from io import BytesIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from contracts.archive import archive
from contracts.errors import DocumentNotValid
from contracts.report import Level, SignatureKind, SubIndication, Verdict
from contracts.validation import validate, verify_document
from pki.path import TrustPolicy


def test_each_signature_says_who_when_what(contract, hierarchy, now, records):
    report = verify_document(contract.twice, hierarchy.trust, now, revocation=records)
    person, bank = report.signatures
    assert report.covers_entire_file
    assert (person.field, person.certifies, person.level) == ("enterprise-legal-representative", True, Level.T)
    assert (bank.field, bank.certifies, bank.level) == ("bank-seal", False, Level.T)
    assert person.binding == contract.binding
    assert bank.binding is None
    assert person.stamped_at == person.claimed_at == now
    assert (person.coverage, person.modifications) == ("ENTIRE_REVISION", "FORM_FILLING")
    assert (bank.coverage, bank.modifications) == ("ENTIRE_FILE", "NONE")
    assert "张㛃𠮷" in person.subject
    assert report.to_dict()["signatures"][0]["binding"]["document_sha256"]


def test_short_lived_certificate_counts_at_its_time_stamp(contract, hierarchy, now, records):
    later = now + timedelta(days=700)
    assert contract.signer.not_valid_after_utc < later
    assert validate(contract.twice, hierarchy.trust, later, revocation=records).verdict is Verdict.VALID


def test_the_root_suffices(contract, hierarchy, now, records):
    trust = TrustPolicy((hierarchy.root.certificate,))
    assert validate(contract.twice, trust, now, revocation=records).verdict is Verdict.VALID


def test_without_the_root_nothing_is_proven(contract, now):
    report = validate(contract.twice, TrustPolicy(()), now)
    assert report.verdict is Verdict.INDETERMINATE
    assert report.sub_indication is SubIndication.NO_CERTIFICATE_CHAIN_FOUND


def test_a_time_stamp_from_the_future_proves_nothing(contract, hierarchy, now, records):
    report = validate(contract.once, hierarchy.trust, now - timedelta(minutes=5), revocation=records)
    assert report.sub_indication is SubIndication.TIMESTAMP_ORDER_FAILURE


def test_pyhanko_agrees(contract, hierarchy, now):
    def asn1(certificate):
        return generic_x509().Certificate.load(certificate.public_bytes(Encoding.DER))

    def generic_x509():
        from asn1crypto import x509 as asn1_x509

        return asn1_x509

    context = ValidationContext(
        trust_roots=[asn1(hierarchy.root.certificate)],
        other_certs=[asn1(c) for c in hierarchy.trust.intermediates],
        moment=now,
        allow_fetching=False,
    )
    for embedded in PdfFileReader(BytesIO(contract.twice)).embedded_signatures:
        status = validate_pdf_signature(embedded, context, context)
        assert status.intact
        assert status.valid
        assert status.timestamp_validity.valid
        assert status.docmdp_ok
        assert status.trusted


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler's pdfsig is not installed")
def test_poppler_agrees(contract, hierarchy, tmp_path):
    (tmp_path / "signed.pdf").write_bytes(contract.twice)
    command = ["pdfsig", "signed.pdf"]
    if certutil := shutil.which("certutil"):
        _import_root(certutil, tmp_path, hierarchy.root.certificate)
        command[1:1] = ["-nssdir", str(tmp_path)]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.count("Signature is Valid") == 2
    assert shown.count("ETSI.CAdES.detached") == 2
    assert "Total document signed" in shown


def _import_root(certutil, folder, root):
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    database = ["-d", f"sql:{folder}"]
    subprocess.run([certutil, "-N", "--empty-password", *database], check=True)
    subprocess.run([certutil, "-A", "-n", "root", "-t", "C,C,C", "-i", folder / "root.pem", *database], check=True)


# --- long term ---------------------------------------------------------------------------------------------


def test_archived_document_reaches_lta(contract, hierarchy, now, records):
    report = verify_document(contract.archived, hierarchy.trust, now + timedelta(days=1), revocation=records)
    assert [entry.level for entry in report.signatures] == [Level.LTA, Level.LTA, None]
    assert report.signatures[-1].kind is SignatureKind.DOCUMENT_TIMESTAMP
    assert [entry.modifications for entry in report.signatures] == ["FORM_FILLING", "LTA_UPDATES", "NONE"]


def test_archive_time_stamps_are_renewed(contract, hierarchy, now, records):
    hierarchy.clock.now = now + timedelta(days=365)
    try:
        renewed = archive(contract.archived, hierarchy.timestamps)
    finally:
        hierarchy.clock.now = now
    report = verify_document(renewed, hierarchy.trust, now + timedelta(days=366), revocation=records)
    assert len(report.signatures) == 4


# --- nothing that was changed ------------------------------------------------------------------------------


def contents_range(pdf):
    """The offsets of the last /Contents: what no byte range covers."""
    numbers = re.search(rb"\[0 (\d+) (\d+) ", pdf[pdf.rindex(b"/ByteRange") :])
    return int(numbers[1]), int(numbers[2])


def test_no_flipped_bit_is_accepted(contract, hierarchy, now, records):
    pdf = contract.once
    start, end = contents_range(pdf)
    chance = random.Random(20261122)
    cms_end = start + len(pdf[start : end - 1].rstrip(b"0"))
    offsets = [chance.randrange(len(pdf)) for _ in range(150)]
    offsets += [chance.randrange(start, cms_end) for _ in range(250)]
    offsets += [start, cms_end + 10, end - 2, end - 1]
    for offset in offsets:
        changed = bytearray(pdf)
        changed[offset] ^= 1 << chance.randrange(8)
        assert validate(bytes(changed), hierarchy.trust, now, revocation=records).verdict is not Verdict.VALID, offset


def test_proof_no_octet_of_the_signature_is_free(contract, hierarchy, now, records):
    """Tags and lengths too: every 40th octet, or each with YUNLIAN_PROOF=full."""
    pdf = contract.once
    start, end = contents_range(pdf)
    cms_end = start + len(pdf[start : end - 1].rstrip(b"0"))
    accepted = []
    for place in range(start + 1, cms_end, 1 if os.environ.get("YUNLIAN_PROOF") == "full" else 80):
        changed = bytearray(pdf)
        changed[place] ^= 1  # the other digit, never the other case of a letter
        if validate(bytes(changed), hierarchy.trust, now, revocation=records).verdict is Verdict.VALID:
            accepted.append(place)
    assert accepted == []


def test_an_algorithm_is_named_by_an_object_identifier(contract, hierarchy, now, records):
    pdf = contract.once
    place = pdf.lower().rindex(b"300a06082a8648ce3d040302")  # ecdsa-with-SHA256 in the time stamp's SignerInfo
    changed = pdf[: place + 4] + b"1608" + pdf[place + 8 :]
    report = validate(changed, hierarchy.trust, now, revocation=records)
    assert report.verdict is not Verdict.VALID


@pytest.mark.parametrize("rest", [b"\n", b"%comment\n", b"%%EOF\n", bytes(4)])
def test_nothing_may_follow(contract, hierarchy, now, rest, records):
    assert validate(contract.twice + rest, hierarchy.trust, now, revocation=records).verdict is Verdict.INVALID


def replace_page(writer):
    """Shadow attack "replace": the page shows something else."""
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    stream = generic.StreamObject(stream_data=b"BT ET")
    page[generic.pdf_name("/Contents")] = writer.add_object(stream)
    writer.update_container(page)


def hide_under_annotation(writer):
    """Evil annotation: a white box over the text."""
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    annotation = generic.DictionaryObject(
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
            generic.pdf_name("/Subtype"): generic.pdf_name("/Square"),
            generic.pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 500, 500))),
        }
    )
    page[generic.pdf_name("/Annots")] = generic.ArrayObject([writer.add_object(annotation)])
    writer.update_container(page)


def change_seal(writer):
    """Another appearance for a signature that stands."""
    for field in writer.root["/AcroForm"]["/Fields"]:
        widget = field.get_object()
        stream = generic.StreamObject(stream_data=b"")
        widget["/AP"] = generic.DictionaryObject({generic.pdf_name("/N"): writer.add_object(stream)})
        writer.update_container(widget)


def sneak_a_field(writer):
    """Sneaky signature: a visible field that was not there when the document was certified."""
    append_signature_field(writer, SigFieldSpec("sneaky", box=(0, 0, 200, 200)))


def new_catalog_entry(writer):
    writer.root[generic.pdf_name("/OpenAction")] = generic.DictionaryObject(
        {
            generic.pdf_name("/S"): generic.pdf_name("/JavaScript"),
            generic.pdf_name("/JS"): generic.pdf_string("app.alert(1)"),
        }
    )
    writer.update_root()


@pytest.mark.parametrize("attack", [replace_page, hide_under_annotation, change_seal, sneak_a_field, new_catalog_entry])
def test_incremental_attacks_are_refused(contract, hierarchy, now, attack, records):
    writer = IncrementalPdfFileWriter(BytesIO(contract.twice))
    attack(writer)
    output = BytesIO()
    writer.write(output)
    assert validate(output.getvalue(), hierarchy.trust, now, revocation=records).verdict is Verdict.INVALID


@pytest.mark.parametrize("attack", [replace_page, hide_under_annotation, change_seal])
def test_a_later_genuine_signature_launders_nothing(contract, hierarchy, now, attack, records):
    """The whole file is covered again, yet the first signer never saw what it shows now."""
    writer = IncrementalPdfFileWriter(BytesIO(contract.twice))
    attack(writer)
    output = BytesIO()
    writer.write(output)
    laundered = archive(output.getvalue(), hierarchy.timestamps)
    report = validate(laundered, hierarchy.trust, now, revocation=records)
    assert report.covers_entire_file
    assert report.verdict is Verdict.INVALID


@pytest.mark.parametrize("junk", [b"", b"%PDF-1.7", b"not a PDF", bytes(1000), b"%PDF-1.7\nstartxref\n5\n%%EOF"])
def test_junk_gets_a_verdict(junk, hierarchy, now, records):
    assert validate(junk, hierarchy.trust, now, revocation=records).verdict is Verdict.INVALID


def test_an_unsigned_document_has_nothing_to_validate(contract, hierarchy, now, records):
    report = validate(contract.prepared, hierarchy.trust, now, revocation=records)
    assert (report.verdict, report.sub_indication) == (
        Verdict.INDETERMINATE,
        SubIndication.SIGNED_DATA_NOT_FOUND,
    )
    with pytest.raises(DocumentNotValid):
        verify_document(contract.prepared, hierarchy.trust, now, revocation=records)


def test_truncated_files_get_a_verdict(contract, hierarchy, now, records):
    for length in range(0, len(contract.once), 9973):
        assert validate(contract.once[:length], hierarchy.trust, now, revocation=records).verdict is not Verdict.VALID


def test_report_carries_the_certificate(contract, hierarchy, now, records):
    entry = validate(contract.once, hierarchy.trust, now, revocation=records).signatures[0]
    assert x509.load_der_x509_certificate(entry.certificate) == contract.signer

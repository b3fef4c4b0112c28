"""Every way of preparing a document for more than being read has its own reason."""

from io import BytesIO

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import StandardSecurityHandler
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from contracts.errors import UnsafeDocument
from contracts.inspection import REASONS, find_hazards, inspect


def document(change=lambda writer, page: None):
    writer = PdfFileWriter(stream_xrefs=False)
    contents = writer.add_object(generic.StreamObject(stream_data=b"0 0 100 100 re f"))
    page = PageObject(contents=contents, media_box=(0, 0, 595, 842))
    writer.insert_page(page)
    change(writer, page)
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def dictionary(**entries):
    return generic.DictionaryObject({pdf_name(f"/{key}"): value for key, value in entries.items()})


def name(text):
    return pdf_name(f"/{text}")


def on_open(action):
    return lambda writer, page: writer.root.update({name("OpenAction"): action})


def in_catalog(key, value):
    return lambda writer, page: writer.root.update({name(key): value})


def annotation(**entries):
    box = generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9)))

    def change(writer, page):
        note = dictionary(Type=name("Annot"), Rect=box, **entries)
        page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])

    return change


def orphan(writer, page):
    writer.add_object(generic.StreamObject(stream_data=b"hidden"))


def missing(writer, page):
    page[name("Thumb")] = generic.IndirectObject(4711, 0, writer)


TEXT = generic.pdf_string("x")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (on_open(dictionary(S=name("JavaScript"), JS=TEXT)), "javascript"),
        (on_open(dictionary(S=name("Launch"), F=TEXT)), "action"),
        (on_open(dictionary(S=name("SubmitForm"), F=TEXT)), "external-reference"),
        (in_catalog("AA", dictionary()), "action"),
        (in_catalog("OCProperties", dictionary()), "optional-content"),
        (in_catalog("AF", generic.ArrayObject()), "embedded-file"),
        (in_catalog("Names", dictionary(EmbeddedFiles=dictionary())), "embedded-file"),
        (in_catalog("Names", dictionary(JavaScript=dictionary())), "javascript"),
        (in_catalog("AcroForm", dictionary(XFA=TEXT, Fields=generic.ArrayObject())), "xfa"),
        (in_catalog("AcroForm", dictionary(Fields=generic.ArrayObject([dictionary(T=TEXT)]))), "form-field"),
        (annotation(Subtype=name("Square")), "annotation"),
        (annotation(Subtype=name("FreeText")), "annotation"),
        (annotation(Subtype=name("Widget")), "form-field"),
        (annotation(Subtype=name("Link"), A=dictionary(S=name("URI"), URI=TEXT)), "external-reference"),
        (annotation(Subtype=name("Link"), A=dictionary(S=name("GoToR"), F=TEXT)), "external-reference"),
        (orphan, "unreferenced-object"),
        (missing, "missing-object"),
    ],
)
def test_each_hazard_is_found(change, reason):
    pdf = document(change)
    findings = {finding.reason: finding for finding in find_hazards(pdf)}
    assert reason in findings
    assert findings[reason].text_zh
    assert findings[reason].text_en
    with pytest.raises(UnsafeDocument):
        inspect(pdf)


def test_a_plain_document_and_an_inner_link_are_fine():
    assert inspect(document()).pages == 1
    assert not find_hazards(document(annotation(Subtype=name("Link"), A=dictionary(S=name("GoTo"), D=TEXT))))


def test_revisions_signatures_and_fields_are_refused(contract):
    reasons = {finding.reason for finding in find_hazards(contract.once)}
    assert reasons >= {"incremental-update", "signature", "form-field"}


def test_encrypted_files_are_refused():
    writer = PdfFileWriter()
    writer.insert_page(
        PageObject(contents=writer.add_object(generic.StreamObject(stream_data=b"")), media_box=(0, 0, 9, 9))
    )
    handler = StandardSecurityHandler.build_from_pw("a", "b")
    writer._assign_security_handler(handler)
    output = BytesIO()
    writer.write(output)
    assert "encrypted" in {finding.reason for finding in find_hazards(output.getvalue())}


@pytest.mark.parametrize(
    ("pdf", "reason"),
    [
        (b"", "broken"),
        (b"hello", "broken"),
        (document()[:-30], "broken"),
        (document() + b"more", "trailing-data"),
        (bytes(21 * 1024 * 1024), "too-large"),
    ],
)
def test_files_that_are_no_whole_documents(pdf, reason):
    assert reason in {finding.reason for finding in find_hazards(pdf)}
    assert reason in REASONS

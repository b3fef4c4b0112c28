"""PDF/A-2b is claimed, and kept through every step up to the archive time stamp."""

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name

from contracts import seals
from contracts.edge_seal import paint_edge_seals
from contracts.upload import flatten_pages
from tests.attacks.contracts import first_page, update
from tests.contracts.pdfa import violations


@pytest.mark.parametrize("state", ["prepared", "once", "twice", "archived"])
def test_signing_and_archiving_keep_the_rules(contract, state):
    assert violations(contract.rendered.pdf) == []
    assert violations(getattr(contract, state)) == []


def test_a_seal_across_the_edges_keeps_the_rules(contract):
    seal = seals.company_seal("杭州云启智造科技有限公司", "91330106MA2CFLDG4R")
    assert violations(paint_edge_seals(contract.rendered.pdf, seal)) == []


def hidden_annotation(writer):
    page = first_page(writer)
    note = {"/Type": "/Annot", "/Subtype": "/Text"}
    annotation = generic.DictionaryObject({pdf_name(key): pdf_name(value) for key, value in note.items()})
    annotation[pdf_name("/F")] = generic.NumberObject(2)
    annotation[pdf_name("/Rect")] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9)))
    page[pdf_name("/Annots")] = generic.ArrayObject([writer.add_object(annotation)])
    writer.update_container(page)


def needs_appearances(writer):
    form = generic.DictionaryObject({pdf_name("/NeedAppearances"): generic.BooleanObject(True)})
    writer.root[pdf_name("/AcroForm")] = form
    writer.update_root()


@pytest.mark.parametrize(("change", "clause"), [(hidden_annotation, "6.3"), (needs_appearances, "6.4.1")])
def test_the_rules_can_be_broken(contract, change, clause):
    assert any(found.startswith(clause) for found in violations(update(contract.rendered.pdf, change)))


def test_pictures_claim_nothing(contract):
    assert any(found.startswith("6.6.4") for found in violations(flatten_pages(contract.rendered.pdf)))

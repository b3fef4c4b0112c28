"""Uploaded documents are signed as they are where nothing was found in them, or as pictures of themselves."""

from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name

from contracts import seals
from contracts.edge_seal import paint_edge_seals
from contracts.errors import InvalidPlace, SigningFailed, UnsafeDocument
from contracts.inspection import find_hazards, inspect
from contracts.render import SignaturePlace
from contracts.report import Verdict
from contracts.signing import sign_with_key
from contracts.upload import flatten_pages, prepare_upload
from contracts.validation import validate
from tests.attacks.contracts import update

PLACE = SignaturePlace("party-a", "a", "seal", 0, 320, 90, 140, 115)
COMPANY = "杭州云启智造科技有限公司"


@pytest.fixture
def upload(contract):
    return contract.rendered.pdf


@pytest.fixture
def hostile(upload):
    def script(writer):
        writer.root[pdf_name("/OpenAction")] = generic.DictionaryObject(
            {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): generic.pdf_string("app.alert(1)")}
        )
        writer.update_root()

    return update(upload, script)


def seal():
    return seals.company_seal(COMPANY, "91330106MA2CFLDG4R")


def pictures(pdf):
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.render(scale=1).to_numpy()[:, :, ::-1].astype(int) for page in document]


def test_a_harmless_upload_is_signed_as_it_is(upload, hierarchy, now, records):
    prepared = prepare_upload(upload, [PLACE, replace(PLACE, name="party-b", x=100)])
    assert prepared.pdf.startswith(upload)
    assert (prepared.pages, prepared.flattened, prepared.hazards) == (2, False, ())
    credentials = hierarchy.seal_key, hierarchy.seal, hierarchy.seal_chain
    signed = sign_with_key(prepared.pdf, "party-a", *credentials, hierarchy.timestamps, at=now, seal=seal())
    signed = sign_with_key(signed, "party-b", *credentials, hierarchy.timestamps, at=now, seal=seal())
    report = validate(signed, hierarchy.trust, now, revocation=records)
    assert report.verdict is Verdict.VALID, report.explanation
    assert len(report.signatures) == 2


def test_an_upload_with_findings_is_refused_or_flattened(hostile):
    assert {finding.reason for finding in find_hazards(hostile)} >= {"javascript", "incremental-update"}
    with pytest.raises(UnsafeDocument):
        prepare_upload(hostile, [PLACE])
    prepared = prepare_upload(hostile, [PLACE], flatten=True)
    assert "javascript" in {finding.reason for finding in prepared.hazards}
    assert b"JavaScript" not in prepared.pdf


def coarse(picture, block=12):
    """Means over squares, so that the edges of letters do not count."""
    height, width = (size // block * block for size in picture.shape[:2])
    return picture[:height, :width].reshape(height // block, block, width // block, block, 3).mean(axis=(1, 3))


def test_flattened_pages_look_the_same_and_hold_nothing_else(hostile):
    flat = flatten_pages(hostile)
    assert flatten_pages(hostile) == flat
    assert inspect(flat).pages == 2
    for before, after in zip(pictures(hostile), pictures(flat), strict=True):
        assert before.shape == after.shape
        assert np.abs(coarse(before) - coarse(after)).max() < 40


@pytest.mark.parametrize("junk", [b"", b"%PDF-1.7", b"no PDF"])
def test_what_cannot_be_rendered_is_not_flattened(junk):
    with pytest.raises(UnsafeDocument):
        flatten_pages(junk)


@pytest.mark.parametrize(
    "places",
    [
        [],
        [replace(PLACE, page=2)],
        [replace(PLACE, page=-1)],
        [replace(PLACE, x=500)],
        [replace(PLACE, y=-50)],
        [replace(PLACE, width=float("nan"))],
        [replace(PLACE, height=2)],
        [PLACE, PLACE],
        [PLACE, replace(PLACE, name="party-b", x=400)],
    ],
)
def test_places_lie_on_their_page_and_apart(upload, places):
    with pytest.raises(InvalidPlace):
        prepare_upload(upload, places)


def red(picture):
    """Where there is vermilion."""
    return (picture[:, :, 0] > 150) & (picture[:, :, 1] < 90) & (picture[:, :, 2] < 90)


@pytest.mark.parametrize("flatten", [False, True])
def test_a_seal_across_the_edges_stands_before_the_first_signature(upload, hierarchy, now, records, flatten):
    prepared = prepare_upload(upload, [PLACE], flatten=flatten, edge_seal=seal())
    shown = pictures(prepared.pdf)
    strips = [red(picture) for picture in shown]
    width = shown[0].shape[1]
    for strip in strips:
        columns = np.flatnonzero(strip.any(axis=0))
        assert len(columns) > 20
        assert columns.min() > width - 40 / 25.4 * 72 / 2 - 3
    credentials = hierarchy.seal_key, hierarchy.seal, hierarchy.seal_chain
    signed = sign_with_key(prepared.pdf, "party-a", *credentials, hierarchy.timestamps, at=now)
    assert validate(signed, hierarchy.trust, now, revocation=records).verdict is Verdict.VALID


def test_the_strips_make_up_the_seal(upload):
    first, second = (red(picture) for picture in pictures(paint_edge_seals(upload, seal())))
    half = round(20 / 25.4 * 72)
    whole = np.hstack([first[:, -half:], second[:, -half:]])
    rows = np.flatnonzero(whole.any(axis=1))
    assert abs((rows.max() - rows.min()) - 40 / 25.4 * 72) < 4
    assert abs(whole[:, :half].sum() - whole[:, half:].sum()) < 0.25 * whole.sum()


def test_no_seal_is_painted_over_signatures(contract):
    with pytest.raises(SigningFailed):
        paint_edge_seals(contract.once, seal())
    with pytest.raises(SigningFailed):
        paint_edge_seals(seal(), seal())

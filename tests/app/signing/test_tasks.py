"""A contract typeset from a template is ready to be read and signed."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pypdfium2

from app.signing import tasks
from tests.contracts.conftest import TERMS
from tests.contracts.pdfa import violations


def red_at_the_edges(pdf: bytes) -> list[bool]:
    """For every page whether something red stands in the last fifteenth of its width."""
    found = []
    for page in pypdfium2.PdfDocument(BytesIO(pdf)):
        picture = np.asarray(page.render(scale=0.5).to_pil().convert("RGB"))
        red, green, _ = np.moveaxis(picture[:, picture.shape[1] * 14 // 15 :], 2, 0)
        found.append(bool(((red > 180) & (green < 90)).any()))
    return found


def test_the_banks_seal_goes_across_the_edges_of_all_pages() -> None:
    document = tasks.make_document("product-service-agreement", TERMS)
    assert document.pages > 1
    assert red_at_the_edges(document.pdf) == [True] * document.pages
    assert violations(document.pdf) == []
    assert tasks.make_document("product-service-agreement", TERMS) == document

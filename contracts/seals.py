"""Company seal and legal-representative seal, drawn once as vector PDF and reused for every signature."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from contracts.typesetting import typesetter

_NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)  # a seal is the same whenever it is drawn


def company_seal(name: str, code: str) -> bytes:
    """The round red seal of 40 mm: name around a star, the unified social credit code (GB 32100) beneath.

    Answers a PDF of one page. Raises MissingGlyph, FontMissing.
    """
    return _draw("company", name, code, "")


def person_seal(name: str) -> bytes:
    """The square red seal of a person, 18 mm. Answers a PDF of one page. Raises MissingGlyph, FontMissing."""
    return _draw("person", name, "", "")


def company_and_person_seal(name: str, code: str, person: str) -> bytes:
    """Company seal with the legal representative's beside it, 66 mm by 40 mm, as one signature shows them.

    Answers a PDF of one page. Raises MissingGlyph, FontMissing.
    """
    return _draw("company-and-person", name, code, person)


@lru_cache(maxsize=256)
def _draw(kind: str, name: str, code: str, person: str) -> bytes:
    pdf, _ = typesetter("seals/seal.typ").typeset(
        {"seal": {"kind": kind, "name": name, "code": code, "person": person}}, created_at=_NO_DATE
    )
    return pdf

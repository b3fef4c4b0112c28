"""Template + terms -> PDF. The same terms give the same bytes on the same machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from pydantic import ValidationError

from contracts.errors import InvalidTerms, UnknownTemplate
from contracts.terms import NonDisclosureTerms, PayrollTerms, ProductServiceTerms, SaasAccessTerms, Terms
from contracts.typesetting import typesetter


@dataclass(frozen=True, slots=True)
class Template:
    """A contract's text in one version; a changed text is a new version."""

    name: str
    version: str
    title_zh: str
    title_en: str
    terms: type[Terms]

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the terms."""
        return self.terms.model_json_schema()


@dataclass(frozen=True, slots=True)
class SignaturePlace:
    """Where one signature goes: PDF points from the lower left corner of the page (ISO 32000-1 §8.3.2.3)."""

    name: str
    """Name of the signature field."""
    party: str
    kind: str
    """"legal-representative" or "seal"."""
    page: int
    """Counted from 0."""
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class RenderedContract:
    pdf: bytes
    sha256: str
    template: str
    version: str
    places: tuple[SignaturePlace, ...]


_TEMPLATES = (
    Template("product-service-agreement", "1", "产品服务协议", "Product service agreement", ProductServiceTerms),
    Template(
        "saas-access-agreement",
        "1",
        "软件服务平台三方接入协议",
        "Three-party agreement on access by a software platform",
        SaasAccessTerms,
    ),
    Template("payroll-authorization", "1", "代发工资授权书", "Authorization for payroll", PayrollTerms),
    Template("non-disclosure-agreement", "1", "保密协议", "Non-disclosure agreement", NonDisclosureTerms),
)


def list_templates() -> tuple[Template, ...]:
    """All templates, the newest version of each name last."""
    return _TEMPLATES


def get_template(name: str, version: str | None = None) -> Template:
    """The named template, in its newest version unless told otherwise. Raises UnknownTemplate."""
    found = [t for t in _TEMPLATES if t.name == name and version in (None, t.version)]
    if not found:
        raise UnknownTemplate(f"no template {name!r}" + (f" in version {version!r}" if version else ""))
    return found[-1]


def render(template: Template | str, terms: Mapping[str, Any]) -> RenderedContract:
    """Typeset a contract as PDF/A-2b with embedded fonts.

    `terms` is JSON (dates as "YYYY-MM-DD", amounts in fen) that fits `Template.json_schema()`.
    Raises UnknownTemplate, InvalidTerms, MissingGlyph, FontMissing, RenderingFailed.
    """
    if isinstance(template, str):
        template = get_template(template)
    checked = _check_terms(template, terms)
    document_date: date = checked["document_date"]
    pdf, places = typesetter(f"{template.name}/{template.version}/contract.typ").typeset(
        {"terms": {**checked, **_iso_dates(checked)}},
        created_at=datetime.combine(document_date, time(), UTC),
        label="signature-place",
    )
    return RenderedContract(
        pdf=pdf,
        sha256=hashlib.sha256(pdf).hexdigest(),
        template=template.name,
        version=template.version,
        places=tuple(_signature_place(place) for place in places),
    )


def _check_terms(template: Template, terms: Mapping[str, Any]) -> dict[str, Any]:
    try:
        # through JSON, so that strict typing still accepts dates written as text
        return template.terms.model_validate_json(json.dumps(terms)).model_dump()
    except ValidationError as exc:
        faults = (
            f"/{'/'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in exc.errors(include_url=False, include_input=False, include_context=False)
        )
        raise InvalidTerms("\n".join(faults)) from exc
    except (TypeError, ValueError) as exc:
        raise InvalidTerms(f"/: not JSON: {exc}") from exc


def _iso_dates(terms: Mapping[str, Any]) -> dict[str, str]:
    return {name: value.isoformat() for name, value in terms.items() if isinstance(value, date)}


def _signature_place(found: Mapping[str, Any]) -> SignaturePlace:
    return SignaturePlace(
        name=found["name"],
        party=found["party"],
        kind=found["kind"],
        page=found["page"] - 1,
        x=found["left"],
        y=found["page-height"] - found["top"] - found["height"],
        width=found["width"],
        height=found["height"],
    )

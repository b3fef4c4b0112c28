"""Contracts that arrive as PDF are inspected, refused or flattened, placed, and then signed like any other."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from flask import Flask

from app.identity.models import Account, Role
from app.problems import NotFound
from app.signing import service, uploads
from app.signing.problems import PlacesNotFitting, SignersNotFitting, UploadNotOpen
from app.signing.uploads import Corner, Spot, UploadState
from app.wiring import Services
from contracts.ceremony import SigningOrder
from contracts.errors import UnsafeDocument
from contracts.inspection import find_hazards
from contracts.report import Verdict
from contracts.validation import validate
from tests.app.identity.people import BROWSER, People
from tests.app.signing.conftest import Archive
from tests.flows.ceremony import LAST6, PLATFORM_LAST6, register_platform
from tests.flows.quick import QuickSigner


def pdf_of(*pages: str, catalog: str = "") -> bytes:
    """A small PDF whose pages show these words; `catalog` is added to the catalog."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(count))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, words in enumerate(pages):
        stream = f"BT /F1 24 Tf 72 700 Td ({words}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * n} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


SCRIPTED = pdf_of("Pay 100", catalog="/OpenAction << /S /JavaScript /JS (app.alert(1)) >>")
PLACES = {"party-1": Spot(2, Corner.BOTTOM_RIGHT), "party-2": Spot(2, Corner.BOTTOM_LEFT, (0.5, 0.5))}


@pytest.fixture
def people(app: Flask, services: Services) -> People:
    return People(app, services)


@pytest.fixture
def operator(archive: Archive, people: People, services: Services) -> Account:
    with services.reading() as session:
        bank = service.find_bank(session)
    assert bank is not None
    return people.add_account("operator", Role.OPERATOR, bank)


def test_a_clean_file_is_placed_signed_by_all_and_valid(
    archive: Archive, services: Services, operator: Account
) -> None:
    second = register_platform(services)
    made = uploads.upload(
        services, tenant_id=operator.tenant_id, title="Lease", pdf=pdf_of("one", "two"), account=operator
    )
    assert (made.state, made.findings, made.pages) == (UploadState.CLEAN, [], 2)
    contract = uploads.make_contract(
        services,
        made.id,
        signers={"party-1": archive.person_id, "party-2": second},
        spots=PLACES,
        bank_spot=Spot(1, Corner.TOP_LEFT),
        order=SigningOrder.PARALLEL,
        actor=operator.id,
    )
    with services.transaction() as session:
        links = service.send(services, session, contract_id=contract.id, actor=operator.id)
    for party, last6 in (("party-2", PLATFORM_LAST6), ("party-1", LAST6)):
        QuickSigner(services, links[party], last6).sign()
    assert service.deliver_pending(services) == 1
    signed = services.documents.get(archive.contract(contract.id).current_sha256)
    report = validate(signed, services.hierarchy.trust, services.clock())
    assert (report.verdict, len(report.signatures), report.unsigned_fields) == (Verdict.VALID, 4, ())
    assert archive.contract(contract.id).template == "uploaded"
    with services.reading() as session, pytest.raises(UploadNotOpen):
        uploads.get_open_upload(session, made.id)


def test_a_suspect_file_is_signed_only_flattened(archive: Archive, services: Services, operator: Account) -> None:
    made = uploads.upload(services, tenant_id=operator.tenant_id, title="Trap", pdf=SCRIPTED, account=operator)
    assert made.state == UploadState.SUSPECT
    assert "javascript" in made.findings

    def contract() -> object:
        return uploads.make_contract(
            services,
            made.id,
            signers={"party-1": archive.person_id},
            spots={"party-1": Spot(1, Corner.BOTTOM_RIGHT)},
            bank_spot=None,
            order=SigningOrder.IN_ORDER,
            actor=operator.id,
        )

    with pytest.raises(UploadNotOpen):
        contract()
    flat = uploads.flatten_upload(services, made.id, operator)
    assert flat.accepted_sha256 not in {None, made.original_sha256}
    stored = services.documents.get(flat.accepted_sha256 or "")
    assert find_hazards(stored) == ()
    assert b"JavaScript" not in stored
    assert contract() is not None


def test_a_refused_file_is_gone(archive: Archive, services: Services, operator: Account) -> None:
    made = uploads.upload(services, tenant_id=operator.tenant_id, title="Trap", pdf=SCRIPTED, account=operator)
    with services.transaction() as session:
        uploads.refuse_upload(services, session, made.id, operator)
    with pytest.raises(NotFound):
        services.documents.get(made.original_sha256)
    with services.transaction() as session, pytest.raises(UploadNotOpen):
        uploads.refuse_upload(services, session, made.id, operator)
    for broken in (b"no PDF", SCRIPTED[:200]):
        with pytest.raises(UnsafeDocument):
            uploads.upload(services, tenant_id=operator.tenant_id, title="x", pdf=broken, account=operator)


@pytest.mark.parametrize(
    ("spots", "refusal"),
    [
        ({"party-1": Spot(2, Corner.BOTTOM_LEFT)}, PlacesNotFitting),
        ({"party-1": Spot(1, Corner.BOTTOM_LEFT), "party-2": Spot(1, Corner.TOP_LEFT, (0.2, 0.9))}, PlacesNotFitting),
        ({"party-1": Spot(1, Corner.BOTTOM_LEFT), "party-2": Spot(1, Corner.TOP_LEFT)}, SignersNotFitting),
    ],
)
def test_places_lie_on_their_page_apart_and_have_a_signer(
    archive: Archive, services: Services, operator: Account, spots: dict[str, Spot], refusal: type[Exception]
) -> None:
    made = uploads.upload(services, tenant_id=operator.tenant_id, title="x", pdf=pdf_of("one"), account=operator)
    with pytest.raises(refusal):
        uploads.make_contract(
            services,
            made.id,
            signers={"party-1": archive.person_id},
            spots=spots,
            bank_spot=None,
            order=SigningOrder.IN_ORDER,
            actor=operator.id,
        )


def test_the_operators_pages_lead_from_the_file_to_the_links(
    archive: Archive, operator: Account, people: People
) -> None:
    browser = people.log_in("operator")
    base = "/operations/contracts/uploads"
    shown = browser.get(base).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', shown)
    assert token is not None

    def send_file(content: bytes, title: str = "Lease") -> object:
        return browser.client.post(
            base,
            data={"csrf_token": token[1], "title": title, "file": (BytesIO(content), "x.pdf")},
            headers={**BROWSER, "Referer": "https://localhost/"},
            base_url="https://localhost",
        )

    assert send_file(b"").status_code == 422
    assert send_file(pdf_of("one"), title="").status_code == 422
    assert send_file(b"no PDF").status_code == 422
    suspect = send_file(SCRIPTED)
    assert suspect.status_code == 303
    page = suspect.headers["Location"]
    assert "文件含有脚本" in browser.get(page).text
    assert "JavaScript" in browser.get(page).text
    flattened = browser.post(f"{page}/flatten", page=page)
    assert flattened.status_code == 303, flattened.text
    assert browser.get(f"{page}/pages/1.png").data.startswith(b"\x89PNG")
    assert browser.get(f"{page}/pages/2.png").status_code == 404
    assert browser.post(f"{page}/send", page=page).status_code == 422
    placed = {"person_1": archive.person_id, "page_1": "1", "corner_1": "bottom-right", "x_1": "0.5", "y_1": "0.25"}
    sent = browser.post(f"{page}/send", page=page, **placed, bank_seals="yes", bank_page="1")
    assert sent.status_code == 200, sent.text
    assert "/sign/" in sent.text
    assert browser.get(page).status_code == 409

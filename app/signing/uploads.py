"""Contracts that arrive as PDF: inspected, accepted or refused by an officer, given places for signatures, then signed
like any other. Inspection and typesetting of strangers' files happen in the workshop, within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity.models import Account
from app.problems import NotFound
from app.signing import tasks
from app.signing.making import get_signers, new_number, store_draft
from app.signing.models import Contract, Upload
from app.signing.problems import PlacesNotFitting, UploadNotOpen
from app.signing.search import find_bank
from app.signing.tasks import PAGE_MARGIN, SIGNATURE_SIZE, ChosenPlace
from contracts.ceremony import SigningOrder

if TYPE_CHECKING:
    from app.wiring import Services

TEMPLATE = "uploaded"


class UploadState(StrEnum):
    """Where an upload stands."""

    CLEAN = "clean"  # nothing was found; it may be signed as it came
    SUSPECT = "suspect"  # an officer has to choose: refuse, or flatten
    REFUSED = "refused"
    SENT = "sent"


class Corner(StrEnum):
    """Where on its page a signature goes, for whoever does not point at the picture."""

    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"
    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place as people choose it: the page, counted from 1, and a corner or the middle of the seal as fractions of the
    page's width and height, from its upper left."""

    page: int
    corner: Corner
    point: tuple[float, float] | None = None


def upload(services: Services, *, tenant_id: str, title: str, pdf: bytes, account: Account) -> Upload:
    """Inspect a PDF and keep it for an officer to look at. Raises UnsafeDocument where it cannot even be opened."""
    found = services.workshop.run(tasks.inspect_upload, pdf)
    made = Upload(
        id=new_id(),
        tenant_id=tenant_id,
        title=title,
        original_sha256=services.documents.put(pdf),
        accepted_sha256=None,
        findings=list(found.reasons),
        pages=found.pages,
        state=UploadState.SUSPECT if found.reasons else UploadState.CLEAN,
        uploaded_by=account.id,
        uploaded_at=services.clock(),
    )
    if not found.reasons:
        made.accepted_sha256 = made.original_sha256
    with services.transaction() as session:
        session.add(made)
        session.flush()
        body = {"document_sha256": made.original_sha256, "findings": list(found.reasons)}
        services.journal.append(session, "contract-uploaded", subject=made.id, actor=account.id, body=body)
        session.refresh(made, ["tenant"])
    return made


def refuse_upload(services: Services, session: Session, upload_id: str, account: Account) -> None:
    """Close an upload; its file is forgotten. Raises NotFound, UploadNotOpen."""
    found = get_open_upload(session, upload_id, lock=True)
    found.state = UploadState.REFUSED
    services.documents.delete(found.original_sha256)
    services.journal.append(session, "upload-refused", subject=upload_id, actor=account.id, body={})


def flatten_upload(services: Services, upload_id: str, account: Account) -> Upload:
    """Accept a flattened form of a suspect file: what is seen is kept, what could act or hide is gone.

    Raises NotFound, UploadNotOpen, and UnsafeDocument where even that does not help.
    """
    with services.reading() as session:
        found = get_open_upload(session, upload_id)
    flat = services.workshop.run(tasks.flatten_upload, services.documents.get(found.original_sha256))
    with services.transaction() as session:
        found = get_open_upload(session, upload_id, lock=True)
        found.accepted_sha256 = services.documents.put(flat)
        found.state = UploadState.CLEAN
        body = {"document_sha256": found.accepted_sha256, "flattened_sha256": found.original_sha256}
        services.journal.append(session, "upload-accepted", subject=upload_id, actor=account.id, body=body)
    return found


def make_contract(
    services: Services,
    upload_id: str,
    *,
    signers: Mapping[str, str],
    spots: Mapping[str, Spot],
    bank_spot: Spot | None,
    order: SigningOrder,
    actor: str,
) -> Contract:
    """A draft of an accepted upload; `signers` are persons by party, in signing order, `spots` where each signs.

    Raises NotFound, UploadNotOpen, SignersNotFitting, PlacesNotFitting.
    """
    number, contract_id = new_number(services)
    with services.reading() as session:
        found = get_open_upload(session, upload_id)
        parties = get_signers(services, session, signers)
        bank = find_bank(session)
    if found.accepted_sha256 is None:
        raise UploadNotOpen("this upload was not accepted")
    pdf = services.documents.get(found.accepted_sha256)
    sizes = services.workshop.run(tasks.page_sizes, pdf)
    chosen = [_placed(party, "legal-representative", spot, sizes) for party, spot in spots.items()]
    if bank_spot is not None:
        chosen.append(_placed("bank", "seal", bank_spot, sizes))
    _refuse_overlaps(chosen)
    seals = (bank.name, bank.uscc) if bank_spot is not None and bank is not None else None
    prepared = services.workshop.run(
        tasks.prepare_upload, pdf, found.title, found.original_sha256, tuple(chosen), seals
    )
    contract = store_draft(
        services, prepared, parties, contract_id=contract_id, number=number, order=order, actor=actor
    )
    with services.transaction() as session:
        stored = get_open_upload(session, upload_id, lock=True)
        stored.state, stored.contract_id = UploadState.SENT, contract.id
    return contract


def get_open_upload(session: Session, upload_id: str, *, lock: bool = False) -> Upload:
    """An upload that nothing was made of yet. Raises NotFound, UploadNotOpen."""
    found = session.get(Upload, upload_id, with_for_update={"of": Upload} if lock else None)
    if found is None:
        raise NotFound("no such upload")
    if found.state in {UploadState.REFUSED, UploadState.SENT}:
        raise UploadNotOpen(f"this upload was {found.state}")
    return found


def list_uploads(session: Session, *, tenant_id: str | None = None, limit: int = 50) -> list[Upload]:
    """Uploads, newest first; of one organization or of all."""
    query = select(Upload).order_by(Upload.id.desc()).limit(limit)
    return list(session.scalars(query if tenant_id is None else query.where(Upload.tenant_id == tenant_id)))


def _placed(party: str, kind: str, spot: Spot, sizes: Sequence[tuple[float, float]]) -> ChosenPlace:
    if not 1 <= spot.page <= len(sizes):
        raise PlacesNotFitting(f"the document has {len(sizes)} pages")
    (page_width, page_height), (width, height) = sizes[spot.page - 1], SIGNATURE_SIZE
    if page_width < width + 2 * PAGE_MARGIN or page_height < height + 2 * PAGE_MARGIN:
        raise PlacesNotFitting("the page is too small for a seal")
    if spot.point is not None:
        x = spot.point[0] * page_width - width / 2
        y = (1 - spot.point[1]) * page_height - height / 2
    else:
        x = PAGE_MARGIN if spot.corner.endswith("left") else page_width - width - PAGE_MARGIN
        y = PAGE_MARGIN if spot.corner.startswith("bottom") else page_height - height - PAGE_MARGIN
    x = min(max(x, 0.0), page_width - width)
    y = min(max(y, 0.0), page_height - height)
    return ChosenPlace(f"{party}-{kind}", party, kind, spot.page - 1, x, y, width, height)


def _refuse_overlaps(places: Sequence[ChosenPlace]) -> None:
    for number, one in enumerate(places):
        for other in places[:number]:
            apart = one.page != other.page or abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height
            if not apart:
                raise PlacesNotFitting(f"the places of {one.party} and {other.party} overlap")

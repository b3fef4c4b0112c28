"""What the signing page is told: the step that this browser has reached, and what it shows there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from app.identity import persons
from app.proofing.wording import face_wording
from app.signing import service
from app.signing.service import Participant
from contracts import ceremony as rules
from contracts.ceremony import Ceremony, CeremonyState, Party, PartyState
from contracts.errors import FaceCheckStale

if TYPE_CHECKING:
    from app.wiring import Services

_STEPS = {
    PartyState.IDENTIFIED: "read",
    PartyState.PRESENTED: "consent",
    PartyState.CONSENTED: "face",
    PartyState.FACE_CHECKED: "sign",
}
_CLOSED = {
    CeremonyState.DECLINED: ("本合同已被拒绝签署。", "This contract was declined."),
    CeremonyState.VOIDED: ("发送方已撤回本合同。", "The sender has withdrawn this contract."),
    CeremonyState.EXPIRED: ("签署邀请已过期。", "This invitation has expired."),
    CeremonyState.DRAFT: ("本合同尚未发出。", "This contract was not sent yet."),
}
_EARLIER = ("前一方尚未签署，轮到您时即可打开。", "An earlier party has not signed yet.")
_KINDS = {CeremonyState.DECLINED: "declined", CeremonyState.VOIDED: "ended", CeremonyState.DRAFT: "not-your-turn"}


def state_of(services: Services, session: Session, participant: Participant) -> dict[str, Any]:
    """The page's state. The person's name is masked: whoever holds the link has proved nothing yet."""
    contract, ceremony, party = participant.contract, participant.ceremony, participant.party
    step = _step(services, participant)
    state: dict[str, Any] = {
        "step": step,
        "expires_at": ceremony.expires_at.isoformat(),
        "contract": {"title": contract.title, "number": contract.number, "pages": contract.pages},
    }
    if step == "closed":
        return {**state, "closed": _closing(ceremony, party)}
    facts = persons.get_person_facts(services, session, participant.invitation.person_id)
    wording = service.wording()
    state["contract"] |= {
        "document_sha256": participant.shown_sha256,
        "parties": [
            {"name": member.tenant.name, "role": member.party_id, "state": ceremony.party(member.party_id).state}
            for member in contract.parties
        ],
    }
    state["order"] = ceremony.order
    state["delivered"] = contract.delivered_at is not None
    state["signer"] = {"name_masked": facts.masked_name}
    state["consent"] = {
        "version": wording.version,
        "text_zh": wording.text_zh,
        "text_en": wording.text_en,
        "sha256": wording.sha256.hex(),
    }
    face = face_wording()
    state["face_consent"] = {
        "version": face.version,
        "text_zh": face.text_zh,
        "text_en": face.text_en,
        "sha256": face.sha256.hex(),
    }
    return state


def _closing(ceremony: Ceremony, party: Party) -> dict[str, str]:
    if ceremony.state is CeremonyState.SENT and not rules.is_turn_of(ceremony, party.party_id):
        kind, (zh, en) = "not-your-turn", _EARLIER
    else:
        kind = _KINDS.get(ceremony.state, "expired")
        zh, en = _CLOSED.get(ceremony.state, _CLOSED[CeremonyState.EXPIRED])
    return {"kind": kind, "reason_zh": zh, "reason_en": en}


def _step(services: Services, participant: Participant) -> str:
    ceremony, party = participant.ceremony, participant.party
    if participant.has_signed and participant.contract.deleted_at is None:
        return "done" if participant.session is not None else "identify"  # the copy can be fetched for years
    if ceremony.state is not CeremonyState.SENT or services.clock() >= ceremony.expires_at:
        return "closed"
    if not rules.is_turn_of(ceremony, party.party_id):
        return "closed"
    if participant.session is None or party.session != participant.session.id:
        return "identify"
    if party.state is PartyState.FACE_CHECKED:
        try:
            rules.verify_face_check_fresh(party, participant.session.id, services.clock())
        except FaceCheckStale:
            return "face"
    return _STEPS.get(party.state, "identify")

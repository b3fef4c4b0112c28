"""Signing without the face: officers establish the identity another way (人脸识别技术应用安全管理办法, Article 10).

    ask -> propose_identification -> (a second officer confirms) -> hand_out_code -> redeem

The signer asks from the signing page. One officer sees the person, on a video call or face to face, with two documents;
another confirms. The first tells the signer a code, and the page that takes it goes on as after a face check: for this
contract, this wording and this signing session alone. What the officers did is evidence of the same form as that of a
face check, and the signature binds to its root.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import decisions, persons
from app.identity.models import Account, Decision, DecisionState, Role
from app.problems import NotAllowed, NotFound
from app.proofing.acts import record_act
from app.proofing.models import ASSISTED, FaceCheck, Purpose
from app.proofing.problems import AssistanceNotOpen, CodeRefused
from app.proofing.records import AssistanceRequest, AssistanceState
from app.signing.models import Contract
from app.signing.participants import Participant, journal_step, require_open
from app.signing.stored import advance, lock_contract, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import PartyState
from contracts.errors import IllegalTransition
from kyc.evidence import build_evidence
from kyc.liveness import new_binding

if TYPE_CHECKING:
    from app.wiring import Services

IDENTIFY: Final = "assisted-identification"
CODE_LIFETIME: Final = timedelta(minutes=10)
CODE_DIGITS: Final = 8
MOST_CODE_FAILURES: Final = 5
POLICY: Final[dict[str, Any]] = {
    "name": ASSISTED,
    "version": "1",
    "documents": 2,
    "officers": 2,
    "code_digits": CODE_DIGITS,
    "code_seconds": int(CODE_LIFETIME.total_seconds()),
    "code_failures": MOST_CODE_FAILURES,
}


class Method(StrEnum):
    """How the officer saw the person."""

    VIDEO_CALL = "video-call"
    IN_PERSON = "in-person"


class DocumentKind(StrEnum):
    """What the person showed."""

    IDENTITY_CARD = "identity-card"
    PASSPORT = "passport"
    HOUSEHOLD_REGISTER = "household-register"
    DRIVING_LICENCE = "driving-licence"
    SOCIAL_SECURITY_CARD = "social-security-card"
    BANK_CARD = "bank-card"


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request as officers see it; how to reach the person is theirs alone."""

    request: AssistanceRequest
    contract: Contract
    person: persons.PersonFacts
    contact: str = field(repr=False)
    decision: Decision | None


def ask(services: Services, session: Session, participant: Participant, contact: str) -> AssistanceRequest:
    """The signer asks, after reading and consent, and says how to be reached; asking again changes that.

    Raises InvitationClosed, NoSigningSession, IllegalTransition, AssistanceNotOpen.
    """
    now = services.clock()
    require_open(participant, now)
    party, session_id, person_id = participant.party, participant.session_id, participant.invitation.person_id
    if party.state not in {PartyState.CONSENTED, PartyState.FACE_CHECKED} or party.session != session_id:
        raise IllegalTransition("an assisted review comes after reading and consent")
    request = find_request(session, participant)
    if request is None:
        assert participant.session is not None  # it has an identifier
        request = AssistanceRequest(
            id=new_id(),
            contract_id=participant.contract.id,
            party_id=party.party_id,
            person_id=person_id,
            session_id=session_id,
            document_sha256=party.presented_sha256 or "",
            consent_sha256=party.consent_sha256 or "",
            contact_sealed=b"",
            state=AssistanceState.ASKED,
            asked_at=now,
            expires_at=participant.session.expires_at,
            documents=[],
        )
        session.add(request)
        journal_step(services, session, "assistance-asked", participant, {"request": request.id})
    elif request.state == AssistanceState.REFUSED:
        raise AssistanceNotOpen("officers could not establish the identity in this session")
    request.contact_sealed = persons.seal_for(services, session, person_id, contact.encode(), _contact(request))
    return request


def find_request(session: Session, participant: Participant) -> AssistanceRequest | None:
    """What was asked for in this signing session, or None. Raises NoSigningSession."""
    return session.scalars(
        select(AssistanceRequest).where(AssistanceRequest.session_id == participant.session_id)
    ).first()


def list_open(services: Services, session: Session) -> list[tuple[AssistanceRequest, Contract, persons.PersonFacts]]:
    """Requests that officers can still act on, the oldest first."""
    waiting = (AssistanceState.ASKED, AssistanceState.PROPOSED, AssistanceState.CONFIRMED, AssistanceState.USED)
    query = (
        select(AssistanceRequest, Contract)
        .join(Contract, Contract.id == AssistanceRequest.contract_id)
        .where(AssistanceRequest.expires_at > services.clock(), AssistanceRequest.state.in_(waiting))
        .order_by(AssistanceRequest.id)
        .limit(200)
    )
    rows = [(request, contract) for request, contract in session.execute(query)]
    facts = persons.find_facts(services, session, {request.person_id for request, _ in rows})
    return [(request, contract, facts[request.person_id]) for request, contract in rows if request.person_id in facts]


def open_request(services: Services, session: Session, request_id: str) -> OpenedRequest:
    """One request with how to reach the person. Raises NotFound."""
    request = _get(session, request_id)
    return OpenedRequest(
        request=request,
        contract=session.get_one(Contract, request.contract_id),
        person=persons.get_person_facts(services, session, request.person_id),
        contact=persons.open_for(
            services, session, request.person_id, request.contact_sealed, _contact(request)
        ).decode(),
        decision=session.get(Decision, request.decision_id) if request.decision_id else None,
    )


def propose_identification(
    services: Services,
    session: Session,
    request_id: str,
    *,
    method: Method,
    documents: tuple[DocumentKind, DocumentKind],
    notes: str,
    account: Account,
) -> Decision:
    """The officer saw the person and the two documents; a second officer has to confirm.

    `notes` are sealed with the person's key, their digest goes into the evidence.
    Raises NotFound, NotAllowed, AssistanceNotOpen.
    """
    request = _lock(services, session, request_id)
    earlier = session.get(Decision, request.decision_id) if request.decision_id else None
    again = request.state == AssistanceState.PROPOSED and earlier and earlier.state == DecisionState.REJECTED
    if request.state != AssistanceState.ASKED and not again:
        raise AssistanceNotOpen(f"the review is {request.state}")
    if len(set(documents)) != POLICY["documents"]:
        raise AssistanceNotOpen("two different documents are needed")
    contract = session.get_one(Contract, request.contract_id)
    payload = {"request": request.id, "subject": contract.number}
    reason = f"{method}: {', '.join(documents)}"
    decision = decisions.propose(services, session, IDENTIFY, payload, reason, account)
    request.state, request.decision_id, request.identified_by = AssistanceState.PROPOSED, decision.id, account.id
    request.method, request.documents = str(method), [str(document) for document in documents]
    request.notes_sha256 = hashlib.sha256(notes.encode()).hexdigest()
    request.notes_sealed = persons.seal_for(services, session, request.person_id, notes.encode(), _notes(request))
    return decision


@decisions.carries_out(IDENTIFY, by=(Role.COMPLIANCE_OFFICER,))
def _confirm(services: Services, session: Session, decision: Decision) -> None:
    request = _lock(services, session, decision.payload["request"])
    if request.state != AssistanceState.PROPOSED or request.decision_id != decision.id:
        raise AssistanceNotOpen(f"the review is {request.state}")
    request.state, request.confirmed_by = AssistanceState.CONFIRMED, decision.decided_by
    body = {"request": request.id, "method": request.method, "decision": decision.id}
    services.journal.append(
        session, "assistance-confirmed", subject=request.contract_id, actor=decision.decided_by or "", body=body
    )


def refuse(services: Services, session: Session, request_id: str, *, reason: str, account: Account) -> None:
    """The identity could not be established. Raises NotFound, AssistanceNotOpen."""
    request = _lock(services, session, request_id)
    if request.state not in {AssistanceState.ASKED, AssistanceState.PROPOSED}:
        raise AssistanceNotOpen(f"the review is {request.state}")
    request.state = AssistanceState.REFUSED
    record_act(services, session, "assistance-refused", request.person_id, reason, account.id)


def hand_out_code(services: Services, session: Session, request_id: str, account: Account) -> str:
    """A code for the officer who saw the person to tell, good for CODE_LIFETIME; an earlier one is void.

    Raises NotFound, NotAllowed, AssistanceNotOpen.
    """
    request = _lock(services, session, request_id)
    if request.state not in {AssistanceState.CONFIRMED, AssistanceState.USED}:
        raise AssistanceNotOpen(f"the review is {request.state}")
    if request.identified_by != account.id:
        raise NotAllowed("the officer who saw the person hands out the code")
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    request.code_sha256, request.code_failures = _digest(request, code), 0
    request.code_expires_at = min(services.clock() + CODE_LIFETIME, request.expires_at)
    services.journal.append(
        session,
        "assistance-code-issued",
        subject=request.contract_id,
        actor=account.id,
        body={"request": request.id},
    )
    return code


def redeem(services: Services, participant: Participant, code: str) -> None:
    """The signer enters the code: the ceremony goes on as after a face check, with the officers' evidence.

    Opens its own transactions: a try counts before the code is compared, and the fifth wrong one ends the code.
    Raises CodeRefused, IllegalTransition, NoSigningSession, InvitationClosed.
    """
    now = services.clock()
    require_open(participant, now)
    request_id = _count_try(services, participant)
    with services.transaction() as session:
        contract = lock_contract(session, participant.contract.id)
        request = _lock(services, session, request_id)
        ceremony = stored_ceremony(contract)
        party = ceremony.party(request.party_id)
        if not hmac.compare_digest(request.code_sha256 or b"", _digest(request, code.strip())):
            raise CodeRefused("this is not the code")
        if (party.presented_sha256, party.consent_sha256) != (request.document_sha256, request.consent_sha256):
            raise IllegalTransition("the review was of another document or wording")
        check = _keep_evidence(services, session, request)
        root = check.evidence_root or ""
        advance(contract, rules.check_face(ceremony, party.party_id, request.session_id, root, now))
        request.state, request.face_check_id = AssistanceState.USED, check.id
        request.code_sha256 = request.code_expires_at = None
        body = {"request": request.id, "check": check.id, "evidence_root": root, "policy": ASSISTED}
        journal_step(services, session, "assistance-used", participant, body)


def _count_try(services: Services, participant: Participant) -> str:
    with services.transaction() as session:
        counted: str | None = session.scalar(
            update(AssistanceRequest)
            .where(
                AssistanceRequest.session_id == participant.session_id,
                AssistanceRequest.code_sha256.is_not(None),
                AssistanceRequest.code_expires_at > services.clock(),
                AssistanceRequest.code_failures < MOST_CODE_FAILURES,
            )
            .values(code_failures=AssistanceRequest.code_failures + 1)
            .returning(AssistanceRequest.id)
        )
    if counted is None:
        raise CodeRefused("there is no code, it is too late, or it was tried too often")
    return counted


def _keep_evidence(services: Services, session: Session, request: AssistanceRequest) -> FaceCheck:
    now = services.clock()
    binding = new_binding(bytes.fromhex(request.document_sha256), bytes.fromhex(request.consent_sha256))
    person_id, check_id = request.person_id, new_id()
    notes = persons.open_for(services, session, person_id, request.notes_sealed or b"", _notes(request))
    nonce = {**binding.to_json(), "nonce": binding.nonce().hex(), "session": request.session_id}
    evidence = build_evidence({"report": _report(request), "policy": POLICY, "nonce": nonce}, {"notes": notes})
    sealed = json.dumps(evidence.to_json()).encode()
    check = FaceCheck(
        id=check_id,
        person_id=person_id,
        purpose=Purpose.CONTRACT,
        subject_id=request.contract_id,
        holder=request.session_id,
        challenge={"binding": binding.to_json(), "request": request.id},
        issued_at=request.asked_at,
        expires_at=request.expires_at,
        used_at=now,
        outcome=ASSISTED,
        passed_at=now,
        assurance=ASSISTED,
        evidence_root=evidence.root.hex(),
        evidence_leaves=evidence.hashes().to_json(),
        evidence_sealed=persons.seal_for(services, session, person_id, sealed, f"evidence:{check_id}"),
    )
    session.add(check)
    session.flush()
    return check


def _report(request: AssistanceRequest) -> dict[str, Any]:
    return {
        "assurance": ASSISTED,
        "method": request.method,
        "documents": request.documents,
        "notes_sha256": request.notes_sha256,
        "identified_by": request.identified_by,
        "confirmed_by": request.confirmed_by,
        "decision": request.decision_id,
        "request": request.id,
    }


def _lock(services: Services, session: Session, request_id: str) -> AssistanceRequest:
    query = select(AssistanceRequest).where(AssistanceRequest.id == request_id).with_for_update()
    request = session.scalars(query, execution_options={"populate_existing": True}).first()
    if request is None:
        raise NotFound("no such request")
    if request.expires_at <= services.clock():
        raise AssistanceNotOpen("the signing session that this was asked in has ended")
    return request


def _get(session: Session, request_id: str) -> AssistanceRequest:
    request = session.get(AssistanceRequest, request_id)
    if request is None:
        raise NotFound("no such request")
    return request


def _digest(request: AssistanceRequest, code: str) -> bytes:
    # The identifier, which has 80 random bits, keeps a table of all codes from serving for more than one request.
    return hashlib.sha256(f"{request.id}:{code}".encode()).digest()


def _contact(request: AssistanceRequest) -> str:
    return f"assistance:{request.id}:contact"


def _notes(request: AssistanceRequest) -> str:
    return f"assistance:{request.id}:notes"

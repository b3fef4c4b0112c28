"""The face check of a ceremony: after reading and consent, for this document and this wording."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.problems import Unavailable
from app.signing import messages
from app.signing.models import FaceCheck
from app.signing.participants import (
    Participant,
    count_attempt,
    forget_attempts,
    forget_one_attempt,
    journal_step,
    require_open,
)
from app.signing.problems import ChallengeSpent, NoPortrait
from app.signing.stored import advance, lock_contract, spend_once, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import PartyState
from contracts.errors import IllegalTransition
from kyc.capture import Frame
from kyc.errors import EngineUnavailable, KycError
from kyc.facecheck import FaceCheckRequest
from kyc.facecheck import check_face as judge_face
from kyc.liveness import NonceBinding, get_liveness_policy, new_binding, new_challenge, parse_challenge

if TYPE_CHECKING:
    from app.wiring import Services


def new_face_challenge(services: Services, session: Session, participant: Participant) -> dict[str, Any]:
    """A single-use challenge bound to the document read and the wording agreed to, as the page reads it."""
    settings, now = services.settings, services.clock()
    require_open(participant, now)
    party, session_id = participant.party, participant.session_id
    if party.state not in {PartyState.CONSENTED, PartyState.FACE_CHECKED} or party.session != session_id:
        raise IllegalTransition("the face check comes after reading and consent")
    if participant.invitation.person.portrait_sealed is None:
        raise NoPortrait("the bank holds no portrait to compare with")
    policy = get_liveness_policy(settings.liveness_policy, production=settings.production)
    binding = new_binding(bytes.fromhex(party.presented_sha256 or ""), bytes.fromhex(party.consent_sha256 or ""))
    challenge = new_challenge(binding.nonce(), policy, now)
    session.add(
        FaceCheck(
            id=new_id(),
            session_id=session_id,
            contract_id=participant.contract.id,
            person_id=participant.invitation.person_id,
            challenge={"challenge": challenge.to_json(), "binding": binding.to_json()},
            issued_at=now,
            expires_at=challenge.expires_at,
        )
    )
    return {**challenge.to_json(), "frames_per_action": policy.min_frames_per_action + 1}


def check_face(services: Services, participant: Participant, meta: messages.FaceMeta, jpegs: list[bytes]) -> None:
    """Judge the captured frames. Opens its own transactions: the challenge is spent first, whatever comes of it.

    Raises ChallengeSpent, SigningLocked, and the KycError that says why the person was refused.
    """
    now = services.clock()
    with services.transaction() as session:
        count_attempt(session, participant.invitation.token_sha256, now)
        check = _spend_face_challenge(session, participant, meta.nonce, now)
    portrait = services.portraits.find_portrait(check.person_id)
    if portrait is None:
        raise NoPortrait("the bank holds no portrait to compare with")
    settings = services.settings
    challenge = parse_challenge(check.challenge["challenge"])
    stored = check.challenge["binding"]
    request = FaceCheckRequest(
        portrait=portrait,
        frames=tuple(Frame(frame.action, frame.at_ms, jpeg) for frame, jpeg in zip(meta.frames, jpegs, strict=True)),
        chain=bytes.fromhex(meta.chain),
        challenge=challenge,
        binding=NonceBinding(*(bytes.fromhex(stored[n]) for n in ("document_sha256", "consent_sha256", "random"))),
        received_at=now,
        match_policy=settings.match_policy,
        production=settings.production,
    )
    try:
        result = services.workshop.run(judge_face, request)
    except (Unavailable, EngineUnavailable) as outage:
        with services.transaction() as session:
            # Our fault and not the person's: the attempt does not count.
            forget_one_attempt(session, participant.invitation.token_sha256)
            session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(outcome=outage.code))
        raise
    except KycError as refusal:
        with services.transaction() as session:
            session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(outcome=refusal.code))
            journal_step(
                services,
                session,
                "face-check-refused",
                participant,
                {"check": check.id, "reason": refusal.code},
            )
        raise
    with services.transaction() as session:
        contract = lock_contract(session, participant.contract.id)
        root = result.evidence.root.hex()
        at = services.clock()
        advance(
            contract,
            rules.check_face(
                stored_ceremony(contract), participant.invitation.party_id, participant.session_id, root, at
            ),
        )
        forget_attempts(session, participant.invitation.token_sha256)
        person_id = check.person_id
        evidence = json.dumps(result.evidence.to_json()).encode()
        pictures = json.dumps([base64.b64encode(picture).decode() for picture in (portrait.image, *jpegs)]).encode()
        values = {
            "outcome": "passed",
            "evidence_root": root,
            "evidence_sealed": persons.seal_for(services, session, person_id, evidence, f"evidence:{check.id}"),
            "pictures_sha256": services.documents.put(
                persons.seal_for(services, session, person_id, pictures, f"pictures:{check.id}")
            ),
        }
        session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(values))
        body = {"check": check.id, "evidence_root": root, "policy": settings.match_policy}
        journal_step(services, session, "face-check-passed", participant, body)


def _spend_face_challenge(session: Session, participant: Participant, nonce: bytes, now: datetime) -> FaceCheck:
    open_checks = session.scalars(
        select(FaceCheck).where(
            FaceCheck.session_id == participant.session_id,
            FaceCheck.used_at.is_(None),
            FaceCheck.expires_at > now,
        )
    )
    for check in open_checks:
        if parse_challenge(check.challenge["challenge"]).nonce == nonce and spend_once(
            session, FaceCheck, check.id, now
        ):
            return check
    raise ChallengeSpent("this challenge was used, has expired or is not yours")

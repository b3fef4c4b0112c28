"""Step-up: the legal representative's face confirms the very consent that the page shows, in this browser, just now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.gateway.documents import canonical
from app.identity.models import Person
from app.oauth.consent_policy import get_consent_policy
from app.oauth.problems import NoRepresentative
from app.proofing.facechecks import PassedFaceCheck, begin_face_check, finish_face_check, get_passed_check
from app.proofing.messages import FaceMeta
from app.proofing.models import Purpose
from app.proofing.problems import FaceCheckNeeded

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class ConsentAct:
    """What a face confirms: `shown` is the digest of the facts on the page, `wording` that of the text agreed to.

    `subject` names the platform's request. `person_id` is None where the bank knows no representative's portrait.
    """

    subject: str
    person_id: str | None
    shown: bytes
    wording: bytes

    @property
    def digest(self) -> str:
        """Both as one, hexadecimal: what the authorization keeps."""
        return hashlib.sha256(self.shown + self.wording).hexdigest()


def shown_digest(facts: dict[str, Any]) -> bytes:
    """SHA-256 of the facts that a page shows, in the form of RFC 8785."""
    return hashlib.sha256(canonical(facts)).digest()


def find_representative(session: Session, tenant_id: str) -> str | None:
    """The enterprise's newest legal representative of whom the bank holds a portrait."""
    return session.scalars(
        select(Person.id)
        .where(Person.tenant_id == tenant_id, Person.portrait_sealed.is_not(None), Person.forgotten_at.is_(None))
        .order_by(Person.id.desc())
        .limit(1)
    ).first()


def begin(
    services: Services, session: Session, act: ConsentAct, *, holder: str, face_wording_sha256: str
) -> dict[str, Any]:
    """A challenge for `holder`, the digest of a log-in session. Raises NoRepresentative and as `begin_face_check`."""
    return begin_face_check(
        services,
        session,
        person_id=_person(act),
        purpose=Purpose.AUTHORIZATION,
        subject_id=act.subject,
        holder=holder,
        shown_sha256=act.shown,
        wording_sha256=act.wording,
        face_wording_sha256=face_wording_sha256,
    )


def finish(services: Services, act: ConsentAct, *, holder: str, meta: FaceMeta, jpegs: list[bytes]) -> PassedFaceCheck:
    """Judge the frames; opens transactions of its own. Raises NoRepresentative and as `finish_face_check`."""
    return finish_face_check(services, holder=holder, person_id=_person(act), meta=meta, jpegs=jpegs)


def confirm(services: Services, session: Session, act: ConsentAct, *, holder: str) -> PassedFaceCheck | None:
    """The check that was passed for this very act, within two minutes; None where the policy does not ask for one.

    Raises FaceCheckNeeded, NoRepresentative. A request is decided once, so no check counts twice.
    """
    settings = services.settings
    policy = get_consent_policy(settings.consent_policy, production=settings.production)
    if act.person_id is None and not policy.face_required:
        return None
    try:
        return get_passed_check(
            services,
            session,
            person_id=_person(act),
            purpose=Purpose.AUTHORIZATION,
            subject_id=act.subject,
            holder=holder,
            shown_sha256=act.shown,
            wording_sha256=act.wording,
        )
    except FaceCheckNeeded:
        if policy.face_required:
            raise
        return None


def _person(act: ConsentAct) -> str:
    if act.person_id is None:
        raise NoRepresentative("the bank holds no portrait of the enterprise's legal representative")
    return act.person_id

"""The signing ceremony, in the order in which it happens:
create_contract, send, identify, present, record_consent, check_face, sign (in two steps), deliver.

Each use case loads the ceremony, makes one transition, acts and journals. Work that takes CPU (typesetting, faces,
CMS) runs between two short transactions and never inside one, so that nobody waits for it at the database; the
second transaction makes the transition again from the stored state, so nothing is lost when two act at once. Several
parties may read at the same time; a signature that another one overtook is made again upon the newer revision.
"""

from __future__ import annotations

from app.signing.delivery import DELIVERY_RETRY, deliver, deliver_pending, expire_overdue
from app.signing.facechecks import check_face, new_face_challenge
from app.signing.making import ENTERPRISE, INVITATION_LIFETIME, create_contract
from app.signing.participants import LOCK, Participant, find_participant, identify
from app.signing.reading import decline, digest_of_pictures, get_document, present, record_consent, wording
from app.signing.search import Criteria, find_bank, find_contracts, get_contract, list_contracts, list_signatures
from app.signing.sending import resend, send, void
from app.signing.signatures import Begun, begin_signature, binding_parts, finish_signature, new_key_challenge

__all__ = [
    "DELIVERY_RETRY",
    "ENTERPRISE",
    "INVITATION_LIFETIME",
    "LOCK",
    "Begun",
    "Criteria",
    "Participant",
    "begin_signature",
    "binding_parts",
    "check_face",
    "create_contract",
    "decline",
    "deliver",
    "deliver_pending",
    "digest_of_pictures",
    "expire_overdue",
    "find_bank",
    "find_contracts",
    "find_participant",
    "finish_signature",
    "get_contract",
    "get_document",
    "identify",
    "list_contracts",
    "list_signatures",
    "new_face_challenge",
    "new_key_challenge",
    "present",
    "record_consent",
    "resend",
    "send",
    "void",
    "wording",
]

"""A signer without page and camera, for proofs that need thousands: every use case and all cryptography are the real
ones; the face check is the assisted one's way in (evidence sealed and bound, no picture is looked at)."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.db import new_id
from app.identity import persons
from app.proofing.models import FaceCheck, Purpose
from app.signing import messages, service
from app.signing.participants import Participant, journal_step
from app.signing.stored import advance, lock_contract, stored_ceremony
from app.wiring import Services
from contracts import ceremony as rules
from kyc.evidence import build_evidence
from kyc.liveness import new_binding


class QuickSigner:
    """One party of one contract. What it holds - session and key - is lost with its process, as with a phone."""

    def __init__(self, services: Services, link: str, last6: str) -> None:
        self._services, self._token, self._last6 = services, link.rsplit("/", 1)[1], last6
        self._cookie: str | None = None

    @property
    def participant(self) -> Participant:
        with self._services.reading() as session:
            return service.find_participant(self._services, session, self._token, self._cookie)

    def sign(self) -> None:
        """The whole way, from wherever the stored ceremony stands; nothing when the signature stands already."""
        if self.participant.has_signed:
            return
        services = self._services
        self._cookie = service.identify(services, self._token, self._last6)
        shown = self.participant.shown_sha256
        wording = service.wording().sha256.hex()
        service.present(services, self.participant, messages.Read(document_sha256=shown))
        with services.transaction() as session:
            agreed = messages.Consent.model_construct(consent_sha256=wording, document_sha256=shown)
            service.record_consent(services, session, self.participant, agreed)
        self._show_face()
        self._use_key(ec.generate_private_key(ec.SECP256R1()))

    def _show_face(self) -> None:
        services, participant = self._services, self.participant
        party, person_id, now = participant.party, participant.invitation.person_id, services.clock()
        shown = [bytes.fromhex(digest or "") for digest in (party.presented_sha256, party.consent_sha256)]
        binding = new_binding(*shown)
        documents = {"report": {"by": "a proof"}, "policy": {}, "nonce": {**binding.to_json()}}
        evidence = build_evidence(documents, {"notes": hashlib.sha256(self._token.encode()).digest()})
        check_id, root = new_id(), evidence.root.hex()
        with services.transaction() as session:
            sealed = json.dumps(evidence.to_json()).encode()
            session.add(
                FaceCheck(
                    id=check_id,
                    person_id=person_id,
                    purpose=Purpose.CONTRACT,
                    subject_id=participant.contract.id,
                    holder=participant.session_id,
                    challenge={"binding": binding.to_json()},
                    issued_at=now,
                    expires_at=now + timedelta(minutes=2),
                    used_at=now,
                    outcome="assisted",
                    passed_at=now,
                    assurance="assisted",
                    evidence_root=root,
                    evidence_leaves=evidence.hashes().to_json(),
                    evidence_sealed=persons.seal_for(services, session, person_id, sealed, f"evidence:{check_id}"),
                )
            )
            contract = lock_contract(session, participant.contract.id)
            ceremony = stored_ceremony(contract)
            advance(contract, rules.check_face(ceremony, party.party_id, participant.session_id, root, now))
            journal_step(services, session, "face-check-passed", participant, {"evidence_root": root})

    def _use_key(self, key: ec.EllipticCurvePrivateKey) -> None:
        services = self._services
        with services.transaction() as session:
            challenge = service.new_key_challenge(services, session, self.participant)
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        proven = messages.Key.model_construct(spki=spki, proof=_p1363(key, challenge))
        begun: service.Begun | None = service.begin_signature(services, self.participant, proven)
        while begun is not None:
            value = messages.SignatureValue.model_construct(
                signature_id=begun.signature_id, signature=_p1363(key, begun.signed_attributes)
            )
            begun = service.finish_signature(services, self.participant, value)


def _p1363(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")

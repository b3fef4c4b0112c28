"""The signing ceremony as a pure state machine: `(ceremony, …, at) -> ceremony`, no I/O.

    draft -> sent -> (every party signed) -> completed
                 -> declined | voided | expired

Each party: invited -> identified -> presented -> consented -> face-checked -> signed. The face
check comes last before signing because it proves intent (意愿认证): its nonce covers document and
consent, and the signature must follow in the same signing session within `FACE_CHECK_LIFETIME`. A
party may repeat identification, or the face check, until the signature stands; reading and consent
belong to the session in which they were given.

Parties in parallel read whichever revision stood when they read; signing itself is one after the
other: each signature names the revision that it was put upon, which must be the latest. So no
signature is ever lost to another, and between what a party read and what it signed there is nothing
but the others' signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from contracts.errors import (
    FaceCheckStale,
    IllegalTransition,
    InvalidCeremony,
    NotYourTurn,
    StaleRevision,
    UnknownParty,
)

FACE_CHECK_LIFETIME = timedelta(seconds=120)
_FORMAT = "yunlian-ceremony/1"


class CeremonyState(StrEnum):
    DRAFT = "draft"
    SENT = "sent"
    COMPLETED = "completed"
    DECLINED = "declined"
    VOIDED = "voided"
    EXPIRED = "expired"


class PartyState(StrEnum):
    INVITED = "invited"
    IDENTIFIED = "identified"
    PRESENTED = "presented"
    CONSENTED = "consented"
    FACE_CHECKED = "face-checked"
    SIGNED = "signed"


class SigningOrder(StrEnum):
    IN_ORDER = "in-order"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True)
class Party:
    """One signer. Digests are lower-case hexadecimal SHA-256; times are aware UTC."""

    party_id: str
    field: str
    """Name of the signature field in the document."""
    state: PartyState = PartyState.INVITED
    session: str | None = None
    """The signing session in which the party acts; a new one starts over."""
    presented_sha256: str | None = None
    pictures: tuple[str, ...] = ()
    """Digests of the page pictures that showed it, first page first."""
    consent_version: str | None = None
    consent_sha256: str | None = None
    face_root: str | None = None
    face_checked_at: datetime | None = None
    signed_upon_sha256: str | None = None
    """The revision that the signature was put upon: the one read, or one with others' signatures added."""
    signed_sha256: str | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ceremony:
    ceremony_id: str
    document_sha256: str
    """The prepared document that every party reads."""
    order: SigningOrder
    expires_at: datetime
    parties: tuple[Party, ...]
    state: CeremonyState = CeremonyState.DRAFT
    changed_at: datetime | None = None
    reason: str | None = None
    """Why it was declined or voided."""

    def party(self, party_id: str) -> Party:
        """Raises UnknownParty."""
        for party in self.parties:
            if party.party_id == party_id:
                return party
        raise UnknownParty(f"no party {party_id!r}")

    @property
    def revisions(self) -> tuple[str, ...]:
        """The prepared document and what each signature made of it, oldest first."""
        following = {p.signed_upon_sha256: p.signed_sha256 for p in self.parties if p.signed_sha256 is not None}
        chain = [self.document_sha256]
        while chain[-1] in following:
            chain.append(following.pop(chain[-1]))
        return tuple(chain)

    @property
    def latest_sha256(self) -> str:
        """The revision that the next signature is put upon."""
        return self.revisions[-1]


def draft(
    ceremony_id: str,
    document_sha256: str,
    parties: Iterable[tuple[str, str]],
    *,
    order: SigningOrder = SigningOrder.IN_ORDER,
    expires_at: datetime,
    at: datetime,
) -> Ceremony:
    """A new ceremony over a prepared document; `parties` are (party id, field name) in signing order.

    Raises IllegalTransition where there are no parties, or two share an id or a field.
    """
    members = tuple(Party(party_id, field) for party_id, field in parties)
    ids, fields = {p.party_id for p in members}, {p.field for p in members}
    if not members or len(ids) != len(members) or len(fields) != len(members):
        raise IllegalTransition("a ceremony needs parties with distinct ids and fields")
    if expires_at <= at:
        raise IllegalTransition("a ceremony cannot expire before it begins")
    return Ceremony(ceremony_id, document_sha256, order, expires_at, members, changed_at=at)


# --- the ceremony as a whole ---------------------------------------------------------------------------


def send(ceremony: Ceremony, at: datetime) -> Ceremony:
    """Invite the parties. Raises IllegalTransition unless a draft."""
    if ceremony.state is not CeremonyState.DRAFT or at >= ceremony.expires_at:
        raise IllegalTransition(f"cannot send a ceremony that is {ceremony.state}")
    return replace(ceremony, state=CeremonyState.SENT, changed_at=at)


def decline(ceremony: Ceremony, party_id: str, reason: str, at: datetime) -> Ceremony:
    """A party refuses to sign, which ends the ceremony. Raises IllegalTransition, UnknownParty."""
    party = _acting(ceremony, party_id, at)
    if party.state is PartyState.SIGNED:
        raise IllegalTransition("a party that has signed cannot decline")
    return replace(ceremony, state=CeremonyState.DECLINED, reason=reason, changed_at=at)


def void(ceremony: Ceremony, reason: str, at: datetime) -> Ceremony:
    """The sender withdraws it before all have signed. Raises IllegalTransition."""
    if ceremony.state not in {CeremonyState.DRAFT, CeremonyState.SENT}:
        raise IllegalTransition(f"cannot void a ceremony that is {ceremony.state}")
    return replace(ceremony, state=CeremonyState.VOIDED, reason=reason, changed_at=at)


def expire(ceremony: Ceremony, at: datetime) -> Ceremony:
    """Close a ceremony whose time has run out. Raises IllegalTransition before that, or when it has ended."""
    if ceremony.state not in {CeremonyState.DRAFT, CeremonyState.SENT} or at < ceremony.expires_at:
        raise IllegalTransition(f"cannot expire a ceremony that is {ceremony.state} before its time")
    return replace(ceremony, state=CeremonyState.EXPIRED, changed_at=at)


# --- the steps of one party ----------------------------------------------------------------------------


def identify(ceremony: Ceremony, party_id: str, session: str, at: datetime) -> Ceremony:
    """The party proved who it is, in a new signing session. Whatever an earlier session held is void.

    Raises IllegalTransition, NotYourTurn, UnknownParty.
    """
    party = _acting(ceremony, party_id, at)
    if party.state is PartyState.SIGNED:
        raise IllegalTransition("the party has already signed")
    return _with(ceremony, Party(party_id, party.field, PartyState.IDENTIFIED, session), at)


def present(
    ceremony: Ceremony,
    party_id: str,
    session: str,
    presented_sha256: str,
    at: datetime,
    *,
    pictures: tuple[str, ...] = (),
) -> Ceremony:
    """The party was shown the revision with this digest, as pictures with these; its signature will name it.

    Raises StaleRevision where it is none of this ceremony or, where parties sign in order, not the latest;
    IllegalTransition, NotYourTurn, UnknownParty.
    """
    party = _in_session(ceremony, party_id, session, at, after=(PartyState.IDENTIFIED, PartyState.PRESENTED))
    readable = ceremony.revisions if ceremony.order is SigningOrder.PARALLEL else (ceremony.latest_sha256,)
    if presented_sha256 not in readable:
        raise StaleRevision("the revision shown is not one that this party may sign")
    shown = replace(party, state=PartyState.PRESENTED, presented_sha256=presented_sha256, pictures=pictures)
    return _with(ceremony, shown, at)


def consent(
    ceremony: Ceremony, party_id: str, session: str, version: str, wording_sha256: str, at: datetime
) -> Ceremony:
    """The party agreed to this wording. Raises IllegalTransition, NotYourTurn, UnknownParty."""
    party = _in_session(ceremony, party_id, session, at, after=(PartyState.PRESENTED,))
    agreed = replace(
        party,
        state=PartyState.CONSENTED,
        consent_version=version,
        consent_sha256=wording_sha256,
    )
    return _with(ceremony, agreed, at)


def check_face(ceremony: Ceremony, party_id: str, session: str, face_root: str, at: datetime) -> Ceremony:
    """The party passed the face check whose evidence has this root; it may be passed anew when it grew stale.

    Raises IllegalTransition, NotYourTurn, UnknownParty.
    """
    party = _in_session(ceremony, party_id, session, at, after=(PartyState.CONSENTED, PartyState.FACE_CHECKED))
    checked = replace(party, state=PartyState.FACE_CHECKED, face_root=face_root, face_checked_at=at)
    return _with(ceremony, checked, at)


def sign(ceremony: Ceremony, party_id: str, session: str, signed_sha256: str, at: datetime, *, upon: str) -> Ceremony:
    """The party's signature, put upon revision `upon`, makes the document with this digest. The last one completes
    the ceremony.

    Raises FaceCheckStale after `FACE_CHECK_LIFETIME` or from another session, StaleRevision where another party
    signed first, so that this signature has to be made anew upon the latest revision; IllegalTransition,
    NotYourTurn, UnknownParty.
    """
    party = _acting(ceremony, party_id, at)
    if party.state is not PartyState.FACE_CHECKED or party.face_checked_at is None:
        raise IllegalTransition(f"cannot sign: the party is {party.state}")
    verify_face_check_fresh(party, session, at)
    if upon != ceremony.latest_sha256:
        raise StaleRevision("another party signed in between")
    if signed_sha256 in ceremony.revisions:
        raise IllegalTransition("a signature makes a new revision")
    signed = replace(party, state=PartyState.SIGNED, signed_upon_sha256=upon, signed_sha256=signed_sha256, signed_at=at)
    result = _with(ceremony, signed, at)
    if all(p.state is PartyState.SIGNED for p in result.parties):
        result = replace(result, state=CeremonyState.COMPLETED)
    return result


def verify_face_check_fresh(party: Party, session: str, at: datetime) -> None:
    """Raises FaceCheckStale unless the face check was passed in this session no longer ago than allowed."""
    if party.face_checked_at is None or party.session != session:
        raise FaceCheckStale("no face check in this signing session")
    if not timedelta() <= at - party.face_checked_at <= FACE_CHECK_LIFETIME:
        raise FaceCheckStale(f"the face check is older than {FACE_CHECK_LIFETIME.seconds} seconds")


def is_turn_of(ceremony: Ceremony, party_id: str) -> bool:
    """Whether the party may act now as far as the order of signing goes. Raises UnknownParty."""
    party = ceremony.party(party_id)
    if ceremony.order is SigningOrder.PARALLEL:
        return True
    earlier = ceremony.parties[: ceremony.parties.index(party)]
    return all(p.state is PartyState.SIGNED for p in earlier)


def _acting(ceremony: Ceremony, party_id: str, at: datetime) -> Party:
    party = ceremony.party(party_id)
    if ceremony.state is not CeremonyState.SENT:
        raise IllegalTransition(f"the ceremony is {ceremony.state}")
    if at >= ceremony.expires_at:
        raise IllegalTransition("the ceremony's time has run out")
    if not is_turn_of(ceremony, party_id):
        raise NotYourTurn(f"an earlier party has not signed before {party_id!r}")
    return party


def _in_session(
    ceremony: Ceremony, party_id: str, session: str, at: datetime, *, after: tuple[PartyState, ...]
) -> Party:
    party = _acting(ceremony, party_id, at)
    if party.state not in after:
        raise IllegalTransition(f"the party is {party.state}, not {' or '.join(after)}")
    if party.session != session:
        raise IllegalTransition("the party acts in another signing session")
    return party


def _with(ceremony: Ceremony, changed: Party, at: datetime) -> Ceremony:
    parties = tuple(changed if p.party_id == changed.party_id else p for p in ceremony.parties)
    return replace(ceremony, parties=parties, changed_at=at)


# --- stored form ---------------------------------------------------------------------------------------


def to_dict(ceremony: Ceremony) -> dict[str, Any]:
    """The ceremony as JSON-ready data, times in ISO 8601."""

    def plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in items}

    stored = asdict(ceremony, dict_factory=plain)
    return {"format": _FORMAT, **stored, "parties": list(stored["parties"])}


def from_dict(stored: Mapping[str, Any]) -> Ceremony:
    """The inverse of `to_dict`. Raises InvalidCeremony."""
    try:
        if stored["format"] != _FORMAT:
            raise InvalidCeremony(f"unknown format {stored['format']!r}")
        if not isinstance(stored["parties"], list) or not stored["parties"]:
            raise InvalidCeremony("a ceremony has parties")
        fields = {key: value for key, value in stored.items() if key != "format"}
        parties = tuple(
            Party(
                **{
                    **party,
                    "signed_upon_sha256": party.get("signed_upon_sha256", _only_upon(party, stored)),
                    "pictures": tuple(party.get("pictures", ())),
                    "state": PartyState(party["state"]),
                    "face_checked_at": _time(party["face_checked_at"]),
                    "signed_at": _time(party["signed_at"]),
                }
            )
            for party in fields["parties"]
        )
        return Ceremony(
            **{
                **fields,
                "parties": parties,
                "state": CeremonyState(fields["state"]),
                "order": SigningOrder(fields["order"]),
                "expires_at": datetime.fromisoformat(fields["expires_at"]),
                "changed_at": _time(fields["changed_at"]),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise InvalidCeremony("not a stored ceremony") from exc


def _only_upon(party: Mapping[str, Any], stored: Mapping[str, Any]) -> str | None:
    """What a signature stored without this member was put upon: such ceremonies had one party."""
    return stored["document_sha256"] if party["signed_sha256"] is not None else None


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

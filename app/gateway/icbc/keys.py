"""Keys of the dialect beside certificates: the bank's RSA key for answers, each application's AES key and switch."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.gateway.cache import caches_of
from app.gateway.icbc.cipher import KEY_BYTES
from app.gateway.icbc.signatures import sign_answer
from app.gateway.models import IcbcApplication
from app.oauth.models import Application
from app.problems import NotFound, Unavailable
from kyc.sealing import open_sealed, seal
from pki.errors import KeyNotFound
from pki.keys import KeyType, encode_spki

if TYPE_CHECKING:
    from app.wiring import Services

_ANSWER_KEY = "icbc-answers"


@dataclass(frozen=True, slots=True)
class IcbcSettings:
    """How one application speaks the dialect. Without `aes_key` it cannot encrypt."""

    aes_key: bytes | None = field(default=None, repr=False)
    sha1_answers: bool = False


def make_answer_key(services: Services) -> None:
    """Make the bank's RSA key for answers where there is none yet; `flask init` does."""
    if _ANSWER_KEY not in services.keystore.names():
        services.keystore.create(_ANSWER_KEY, KeyType.RSA_2048)


def answer_key(services: Services) -> rsa.RSAPrivateKey:
    """The bank's key for answers. Raises Unavailable before `flask init` made it."""
    try:
        key = services.keystore.load(_ANSWER_KEY)
    except KeyNotFound as exc:
        raise Unavailable("the key for answers in the ICBC dialect was not made yet: flask init") from exc
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_key_text(services: Services) -> str:
    """What an SDK is configured with to check answers: Base64 of the SubjectPublicKeyInfo."""
    return base64.b64encode(encode_spki(answer_key(services).public_key())).decode()


def get_settings(services: Services, client_id: str) -> IcbcSettings:
    """An application's settings, from this worker's memory while the epoch stays; those of none for an unknown one."""
    try:
        return caches_of(services).icbc.get_or_make(
            services.epoch.current(), client_id, lambda: _read(services, client_id)
        )
    except NotFound:
        return IcbcSettings()


def new_aes_key(services: Services, session: Session, application_id: str, *, actor: str) -> str:
    """Make an application's AES key, replacing an earlier one; Base64, shown once. Raises NotFound."""
    row = _row(services, session, application_id)
    key = secrets.token_bytes(KEY_BYTES)
    row.aes_key_sealed = seal(services.settings.data_key, key, _context(application_id))
    _changed(services, session, application_id, actor, {"aes_key": "new"})
    return base64.b64encode(key).decode()


def switch_sha1(services: Services, session: Session, application_id: str, *, on: bool, actor: str) -> None:
    """Sign an application's answers with SHA-1, or no longer.

    Raises NotFound, and UnsupportedAlgorithm where the key lies in a token that does not do it.
    """
    if on:
        sign_answer(answer_key(services), b"a trial", sha1=True)
    row = _row(services, session, application_id)
    row.sha1_answers = on
    _changed(services, session, application_id, actor, {"sha1_answers": int(on)})


def _changed(
    services: Services, session: Session, application_id: str, actor: str, body: dict[str, str | int | None]
) -> None:
    services.epoch.bump(session)
    services.journal.append(session, "icbc-settings-changed", subject=application_id, actor=actor, body={**body})


def _row(services: Services, session: Session, application_id: str) -> IcbcApplication:
    if session.get(Application, application_id) is None:
        raise NotFound("no such application")
    row = session.get(IcbcApplication, application_id)
    if row is None:
        row = IcbcApplication(application_id=application_id, aes_key_sealed=None, sha1_answers=False)
        session.add(row)
    row.changed_at = services.clock()
    return row


def _read(services: Services, client_id: str) -> IcbcSettings:
    with services.reading() as session:
        row = session.scalars(
            select(IcbcApplication)
            .join(Application, Application.id == IcbcApplication.application_id)
            .where(Application.client_id == client_id)
        ).first()
    if row is None:
        raise NotFound("this application never spoke the dialect")
    key = None
    if row.aes_key_sealed is not None:
        key = open_sealed(services.settings.data_key, row.aes_key_sealed, _context(row.application_id))
    return IcbcSettings(key, row.sha1_answers)


def _context(application_id: str) -> str:
    return f"icbc-aes:{application_id}"

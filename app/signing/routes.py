"""The signing ceremony over HTTP: one page and the small JSON calls that it makes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request
from sqlalchemy.orm import Session

from app.messages import parse
from app.problems import InvalidInput
from app.proofing.messages import FaceConsent, FaceMeta
from app.signing import messages, service, tasks
from app.signing.copies import make_copy
from app.signing.problems import InvitationClosed
from app.signing.service import Participant
from app.signing.state import state_of
from app.wiring import Services, current_services

blueprint = Blueprint("signing", __name__, url_prefix="/sign")
COOKIE = "__Host-yunlian-sign"


@blueprint.get("/<token>")
def page(token: str) -> Response:
    """The page that a party opens on the phone."""
    services = current_services()
    with services.reading() as session:
        participant = service.find_participant(services, session, token, _cookie())
        state = state_of(services, session, participant)
    if state["step"] == "closed":
        status = HTTPStatus.CONFLICT if state["closed"]["kind"] == "not-your-turn" else HTTPStatus.GONE
        return make_response(render_template("signing/closed.html", **state["closed"]), status)
    return make_response(render_template("signing/sign.html", base=f"/sign/{token}", state=state))


@blueprint.get("/<token>/state")
def get_state(token: str) -> Response:
    """Where the ceremony stands for this browser."""
    return _state(token)


@blueprint.post("/<token>/identify")
def identify(token: str) -> Response:
    """Open a signing session."""
    message = parse(messages.Identify, request.get_data())
    cookie = service.identify(current_services(), token, message.identity_last6)
    response = _state(token, cookie)
    response.set_cookie(COOKIE, cookie, secure=True, httponly=True, samesite="Lax", path="/", max_age=7200)
    return response


@blueprint.get("/<token>/document.pdf")
def document(token: str) -> Response:
    """The revision to be read."""
    return _pdf(token, "contract.pdf")


@blueprint.get("/<token>/signed.pdf")
def signed(token: str) -> Response:
    """The newest revision, once the party has signed."""
    return _pdf(token, "contract-signed.pdf", after_signature=True)


@blueprint.get("/<token>/checkpoint.txt")
def checkpoint(token: str) -> Response:
    """The journal's newest signed head, for the party to keep: with it nobody can rewrite what came before."""
    _participant(token)
    services = current_services()
    with services.reading() as session:
        note = services.journal.newest_checkpoint(session)
    if note is None:
        abort(404)
    headers = {"Content-Disposition": 'attachment; filename="yunlian-journal-head.txt"'}
    return Response(note, content_type="text/plain; charset=utf-8", headers=headers)


@blueprint.get("/<token>/copy.zip")
def copy(token: str) -> Response:
    """The archived contract with its proof from the log, for a party that has signed."""
    participant = _participant(token)
    if participant.session is None or not participant.has_signed:
        raise InvitationClosed("not signed yet")
    services = current_services()
    with services.reading() as session:
        content = make_copy(services, session, participant.contract)
    headers = {"Content-Disposition": f'attachment; filename="{participant.contract.number}.zip"'}
    return Response(content, mimetype="application/zip", headers=headers)


@blueprint.get("/<token>/pages/<int:number>.png")
def page_picture(token: str, number: int) -> Response:
    """One page as a picture, so that any phone shows exactly the bytes that are signed."""
    services, participant = current_services(), _participant(token)
    pdf = service.get_document(services, participant)
    if not 1 <= number <= participant.contract.pages:
        abort(404)
    return Response(services.workshop.run(tasks.picture_of_page, pdf, number - 1), mimetype="image/png")


@blueprint.post("/<token>/read")
def read(token: str) -> Response:
    """The document was shown to its end."""
    message = parse(messages.Read, request.get_data())
    service.present(current_services(), _participant(token), message)
    return _state(token)


@blueprint.post("/<token>/consent")
def consent(token: str) -> Response:
    """Agreement to the wording, and separate consent to face information."""
    message = parse(messages.Consent, request.get_data())
    with _acting(token) as (services, session, participant):
        service.record_consent(services, session, participant, message)
    return _state(token)


@blueprint.post("/<token>/face/challenge")
def face_challenge(token: str) -> Response:
    """A new single-use face challenge, for whoever consents to face information."""
    message = parse(FaceConsent, request.get_data())
    with _acting(token) as (services, session, participant):
        return jsonify(service.new_face_challenge(services, session, participant, message))


@blueprint.post("/<token>/face")
def face(token: str) -> Response:
    """The captured frames, judged."""
    meta = parse(FaceMeta, request.form.get("meta", ""))
    frames = [upload.read() for upload in request.files.getlist("frame")]
    if len(frames) != len(meta.frames):
        raise InvalidInput("there must be one file for each frame")
    service.check_face(current_services(), _participant(token), meta, frames)
    return _state(token)


@blueprint.post("/<token>/key/challenge")
def key_challenge(token: str) -> Response:
    """What the browser's new key has to sign."""
    with _acting(token) as (services, session, participant):
        challenge = service.new_key_challenge(services, session, participant)
    return jsonify({"challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("=")})


@blueprint.post("/<token>/key")
def key(token: str) -> Response:
    """The key is certified for this one signature; the answer is what it signs next."""
    message = parse(messages.Key, request.get_data())
    return jsonify(_to_sign(service.begin_signature(current_services(), _participant(token), message)))


@blueprint.post("/<token>/signature")
def signature(token: str) -> Response:
    """The signature itself. Where another party signed in between, the answer is what the same key signs instead."""
    message = parse(messages.SignatureValue, request.get_data())
    again = service.finish_signature(current_services(), _participant(token), message)
    return jsonify({"again": _to_sign(again)}) if again is not None else _state(token)


@blueprint.post("/<token>/decline")
def decline(token: str) -> Response:
    """The party refuses to sign."""
    message = parse(messages.Decline, request.get_data())
    with _acting(token) as (services, session, participant):
        service.decline(services, session, participant, message.reason)
    return _state(token)


@contextmanager
def _acting(token: str) -> Iterator[tuple[Services, Session, Participant]]:
    """A write transaction in which the party of this link acts."""
    services = current_services()
    with services.transaction() as session:
        yield services, session, service.find_participant(services, session, token, _cookie())


def _participant(token: str) -> Participant:
    """The party of this link, for use cases that open their own transactions."""
    services = current_services()
    with services.reading() as session:
        return service.find_participant(services, session, token, _cookie())


def _state(token: str, cookie: str | None = None) -> Response:
    services = current_services()
    with services.reading() as session:
        participant = service.find_participant(services, session, token, cookie or _cookie())
        state: dict[str, Any] = state_of(services, session, participant)
    return jsonify(state)


def _to_sign(begun: service.Begun) -> dict[str, str]:
    attributes = base64.b64encode(begun.signed_attributes).decode()
    return {"signature_id": begun.signature_id, "signed_attributes": attributes}


def _pdf(token: str, name: str, *, after_signature: bool = False) -> Response:
    participant = _participant(token)
    if after_signature and participant.party.signed_at is None:
        raise InvitationClosed("not signed yet")
    pdf = service.get_document(current_services(), participant)
    headers = {"Content-Disposition": f'{"attachment" if after_signature else "inline"}; filename="{name}"'}
    return Response(pdf, mimetype="application/pdf", headers=headers)


def _cookie() -> str | None:
    return request.cookies.get(COOKIE)

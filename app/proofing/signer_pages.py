"""What a signer finds beside the face check: the assisted review, and the withdrawal of the consent."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from app.identity.forms import Form, read_form
from app.identity.pages import Page
from app.proofing import assistance, forgetting, forms
from app.proofing.problems import CodeRefused
from app.signing.participants import Participant, find_participant
from app.signing.routes import COOKIE
from app.wiring import current_services
from contracts.ceremony import PartyState

blueprint = Blueprint("signer", __name__, url_prefix="/sign/<token>")

_READY = frozenset({PartyState.CONSENTED, PartyState.FACE_CHECKED})


@blueprint.get("/assistance")
def assisted(token: str) -> Page:
    """The way for those who cannot or will not use the face check: nobody is made to."""
    return _assistance_page(token, Form())


@blueprint.post("/assistance")
def ask(token: str) -> Page | Response:
    """Ask officers to establish the identity another way."""
    form = read_form(forms.Contact, request.form)
    if form.message is None:
        return _assistance_page(token, form)
    services = current_services()
    with services.transaction() as session:
        participant = find_participant(services, session, token, request.cookies.get(COOKIE))
        assistance.ask(services, session, participant, form.message.contact)
    return redirect(f"/sign/{token}/assistance", 303)


@blueprint.post("/assistance/code")
def redeem(token: str) -> Page | Response:
    """The code that the officer told takes the place of the face check."""
    form = read_form(forms.Code, request.form)
    if form.message is None:
        return _assistance_page(token, form)
    try:
        assistance.redeem(current_services(), _participant(token), form.message.code.replace(" ", ""))
    except CodeRefused as refusal:
        return _assistance_page(token, form.refused(refusal, "code"))
    return redirect(f"/sign/{token}", 303)


@blueprint.get("/privacy")
def privacy(token: str) -> Page:
    """What is kept about the person, and how to have it destroyed."""
    return _privacy_page(token, Form())


@blueprint.post("/privacy")
def withdraw(token: str) -> Page:
    """Withdraw the consent to face information; only who has identified in this browser."""
    form = read_form(forms.Withdrawal, request.form)
    if form.message is None:
        return _privacy_page(token, form)
    participant = _participant(token)
    _ = participant.session_id
    person_id = participant.invitation.person_id
    forgetting.withdraw_consent(current_services(), person_id, actor=person_id)
    return _privacy_page(token, Form())


def _assistance_page(token: str, form: Form[forms.Contact] | Form[forms.Code]) -> Page:
    participant = _participant(token)
    party, signing_session = participant.party, participant.session
    mine = signing_session is not None and party.session == signing_session.id
    services = current_services()
    with services.reading() as session:
        asked = assistance.find_request(session, participant) if mine else None
    page = render_template(
        "proofing/assistance.html",
        form=form,
        base=f"/sign/{token}",
        contract=participant.contract,
        ready=mine and party.state in _READY,
        asked=asked,
        now=services.clock(),
    )
    return page, form.status


def _privacy_page(token: str, form: Form[forms.Withdrawal]) -> Page:
    participant = _participant(token)
    services = current_services()
    with services.reading() as session:
        withdrawal = forgetting.find_withdrawal(session, participant.invitation.person_id)
    page = render_template(
        "proofing/privacy.html",
        form=form,
        base=f"/sign/{token}",
        identified=participant.session is not None,
        withdrawal=withdrawal,
    )
    return page, form.status


def _participant(token: str) -> Participant:
    services = current_services()
    with services.reading() as session:
        return find_participant(services, session, token, request.cookies.get(COOKIE))

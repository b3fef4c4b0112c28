"""The officers' pages: what waits for them, persons, reviews of portraits, assisted reviews."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.identity import persons
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Person, Role
from app.identity.pages import Page, notify
from app.proofing import acts, assistance, enterprises, forgetting, forms, limits, portraits
from app.signing.holds import is_person_held
from app.wiring import current_services

blueprint = Blueprint("officer", __name__, url_prefix="/proofing")


@blueprint.get("")
@requires(Role.COMPLIANCE_OFFICER)
def overview() -> Page:
    """Everything that waits for an officer, and who is locked."""
    services = current_services()
    with services.reading() as session:
        page = render_template(
            "proofing/overview.html",
            reviews=portraits.list_waiting(services, session),
            requests=assistance.list_open(services, session),
            locks=limits.list_locks(services, session),
            people=persons.list_persons(services, session),
            answers=enterprises.latest_answers(session),
        )
    return page, 200


@blueprint.get("/persons/<person_id>")
@requires(Role.COMPLIANCE_OFFICER)
def person(person_id: str) -> Page:
    """One person: portrait, lock, enterprise, consent, holds, and what officers did."""
    return _person_page(person_id, Form())


@blueprint.post("/persons/<person_id>/unlock")
@requires(Role.COMPLIANCE_OFFICER)
def unlock(person_id: str) -> Page | Response:
    """Let the person try the face check again."""
    form = read_form(forms.Reasoned, request.form)
    if form.message is None:
        return _person_page(person_id, form)
    services = current_services()
    with services.transaction() as session:
        limits.lift_lock(services, session, person_id, reason=form.message.reason, actor=get_account().id)
    notify("已解除锁定。", "The lock is lifted.")
    return _to_person(person_id)


@blueprint.post("/persons/<person_id>/enterprise")
@requires(Role.COMPLIANCE_OFFICER)
def accept_enterprise(person_id: str) -> Page | Response:
    """Take enterprise and representative for proven where the register does not say so."""
    form = read_form(forms.Reasoned, request.form)
    if form.message is None:
        return _person_page(person_id, form)
    services = current_services()
    with services.transaction() as session:
        enterprises.accept_enterprise(services, session, person_id, reason=form.message.reason, actor=get_account().id)
    notify("已认定，可以发送合同。", "Accepted; contracts may be sent.")
    return _to_person(person_id)


@blueprint.post("/persons/<person_id>/hold")
@requires(Role.COMPLIANCE_OFFICER)
def hold(person_id: str) -> Page | Response:
    """Place a legal hold, at once; or propose to lift it, which a colleague confirms."""
    form = read_form(forms.Reasoned, request.form)
    if form.message is None:
        return _person_page(person_id, form)
    services, account, reason = current_services(), get_account(), form.message.reason
    with services.transaction() as session:
        if forgetting.find_hold(session, person_id) is None:
            forgetting.place_hold(services, session, person_id, reason=reason, account=account)
            notify("已设置法律保全。", "The legal hold stands.")
        else:
            forgetting.propose_lifting(services, session, person_id, reason=reason, account=account)
            notify("已提交复核，另一位同事确认后解除。", "Proposed; lifted once a colleague confirms.")
    return _to_person(person_id)


@blueprint.post("/persons/<person_id>/withdraw")
@requires(Role.COMPLIANCE_OFFICER)
def withdraw(person_id: str) -> Page | Response:
    """The person asked an officer to withdraw the consent to face information."""
    form = read_form(forms.Reasoned, request.form)
    if form.message is None:
        return _person_page(person_id, form)
    services, account = current_services(), get_account()
    with services.transaction() as session:
        acts.record_act(services, session, "withdrawal-received", person_id, form.message.reason, account.id)
    withdrawal = forgetting.withdraw_consent(services, person_id, actor=account.id)
    if withdrawal.executed_at is None:
        notify("已记录撤回；法律保全解除后执行。", "Recorded; carried out once the legal hold is lifted.", "warning")
    else:
        notify("个人数据密钥已销毁。", "The personal data key is destroyed.")
    return _to_person(person_id)


@blueprint.post("/portraits/<review_id>/open")
@requires(Role.COMPLIANCE_OFFICER)
def open_review(review_id: str) -> Page:
    """The document beside the portrait; that it was opened is journaled, so it takes a POST."""
    return _review_page(review_id, Form())


@blueprint.post("/portraits/<review_id>")
@requires(Role.COMPLIANCE_OFFICER)
def decide_review(review_id: str) -> Page | Response:
    """Accept the portrait or refuse it, with a reason."""
    form = read_form(forms.Verdict, request.form)
    if form.message is None:
        return _review_page(review_id, form)
    services, account = current_services(), get_account()
    accepted = form.message.verdict == "accept"
    decide = portraits.accept_portrait if accepted else portraits.refuse_portrait
    with services.transaction() as session:
        decide(services, session, review_id, reason=form.message.reason, account=account)
    if accepted:
        notify(
            "已采用为比对照片（低可信度），证件照片已销毁。", "Accepted at low assurance; the photograph is destroyed."
        )
    else:
        notify("未采用，证件照片已销毁。", "Refused; the photograph is destroyed.")
    return redirect(url_for("proofing.officer.overview"), 303)


@blueprint.get("/assistance/<request_id>")
@requires(Role.COMPLIANCE_OFFICER)
def assisted(request_id: str) -> Page:
    """One request for an assisted review."""
    return _assistance_page(request_id, Form())


@blueprint.post("/assistance/<request_id>/identify")
@requires(Role.COMPLIANCE_OFFICER)
def identify(request_id: str) -> Page | Response:
    """The officer saw the person; a colleague confirms."""
    form = read_form(forms.Identification, request.form)
    if form.message is None:
        return _assistance_page(request_id, form)
    services, sent = current_services(), form.message
    with services.transaction() as session:
        assistance.propose_identification(
            services,
            session,
            request_id,
            method=sent.method,
            documents=(sent.first_document, sent.second_document),
            notes=sent.notes,
            account=get_account(),
        )
    notify("已提交，请另一位同事复核。", "Recorded; a colleague has to confirm.")
    return redirect(url_for("proofing.officer.assisted", request_id=request_id), 303)


@blueprint.post("/assistance/<request_id>/refuse")
@requires(Role.COMPLIANCE_OFFICER)
def refuse_assistance(request_id: str) -> Page | Response:
    """The identity could not be established."""
    form = read_form(forms.Reasoned, request.form)
    if form.message is None:
        return _assistance_page(request_id, form)
    services = current_services()
    with services.transaction() as session:
        assistance.refuse(services, session, request_id, reason=form.message.reason, account=get_account())
    notify("已登记为未通过。", "Recorded as refused.")
    return redirect(url_for("proofing.officer.overview"), 303)


@blueprint.post("/assistance/<request_id>/code")
@requires(Role.COMPLIANCE_OFFICER)
def code(request_id: str) -> Page:
    """A code to tell the signer, shown once."""
    services = current_services()
    with services.transaction() as session:
        handed_out = assistance.hand_out_code(services, session, request_id, get_account())
    return _assistance_page(request_id, Form(), handed_out)


def _person_page(person_id: str, form: Form[forms.Reasoned]) -> Page:
    services = current_services()
    with services.reading() as session:
        page = render_template(
            "proofing/person.html",
            form=form,
            person_id=person_id,
            row=session.get(Person, person_id),
            facts=persons.find_facts(services, session, [person_id]).get(person_id),
            lock=limits.find_lock(services, session, person_id),
            check=enterprises.find_latest(session, person_id),
            hold=forgetting.find_hold(session, person_id),
            contract_held=is_person_held(session, person_id),
            withdrawal=forgetting.find_withdrawal(session, person_id),
            acts=acts.list_acts(session, person_id),
        )
    return page, form.status


def _review_page(review_id: str, form: Form[forms.Verdict]) -> Page:
    services = current_services()
    with services.transaction() as session:
        opened = portraits.open_review(services, session, review_id, actor=get_account().id)
    page = render_template(
        "proofing/review.html",
        form=form,
        opened=opened,
        own=get_account(),
        document=_data_url(opened.document),
        portrait=_data_url(opened.portrait),
    )
    return page, form.status


def _assistance_page(request_id: str, form: Form[Any], handed_out: str = "") -> Page:
    services = current_services()
    with services.reading() as session:
        opened = assistance.open_request(services, session, request_id)
    page = render_template(
        "proofing/assisted.html", form=form, opened=opened, own=get_account(), code=handed_out, now=services.clock()
    )
    return page, form.status


def _to_person(person_id: str) -> Response:
    return redirect(url_for("proofing.officer.person", person_id=person_id), 303)


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"

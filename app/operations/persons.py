"""Operators' pages: legal representatives and their reference portraits."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.identity import persons, service
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role, TenantKind
from app.identity.pages import Page, notify
from app.identity.problems import PersonExists
from app.operations import messages
from app.proofing.enterprises import examine_enterprise, latest_answers
from app.proofing.portraits import submit_document, waiting_persons
from app.wiring import current_services
from kyc.errors import DocumentRejected, ImageRejected, InvalidIdentityNumber
from kyc.ports import Assurance, RegistryAnswer

blueprint = Blueprint("persons", __name__, url_prefix="/persons")


@blueprint.get("")
@requires(Role.OPERATOR)
def people() -> Page:
    """Everyone, with name and number masked."""
    services = current_services()
    with services.reading() as session:
        found = persons.list_persons(services, session)
        page = render_template(
            "operations/persons.html",
            persons=found,
            enterprises={tenant.id: tenant.name for tenant in service.list_tenants(session)},
            waiting=waiting_persons(session),
            answers=latest_answers(session),
        )
    return page, 200


@blueprint.get("/new")
@requires(Role.OPERATOR)
def new_person() -> Page:
    """The form for a legal representative."""
    return _person_page(Form())


@blueprint.post("/new")
@requires(Role.OPERATOR)
def add_person() -> Page | Response:
    """Register a legal representative, then ask for the portrait."""
    form = read_form(messages.NewPerson, request.form)
    if form.message is None:
        return _person_page(form)
    services, sent = current_services(), form.message
    try:
        with services.transaction() as session:
            person = persons.add_person(
                services, session, sent.tenant_id, sent.name, sent.identity_number, get_account().id
            )
    except (InvalidIdentityNumber, PersonExists) as refusal:
        return _person_page(form.refused(refusal, "identity_number"))
    answer = examine_enterprise(services, person.id, actor=get_account().id)
    if answer is RegistryAnswer.CONFIRMED:
        notify("已登记，企业信息一致。请上传比对照片。", "Registered, the register confirms; now upload the portrait.")
    else:
        notify(
            "已登记，但登记库未确认企业与此人的关系：发送合同前须更正或由合规专员认定。",
            "Registered, but not confirmed by the register: correct it, or let an officer decide.",
            "warning",
        )
    return redirect(url_for("operations.persons.portrait", person_id=person.id), 303)


@blueprint.get("/<person_id>/portrait")
@requires(Role.OPERATOR)
def portrait(person_id: str) -> Page:
    """The form for the reference portrait. What is stored is never shown."""
    return _portrait_page(person_id, Form())


@blueprint.post("/<person_id>/portrait")
@requires(Role.OPERATOR)
def set_portrait(person_id: str) -> Page | Response:
    """Seal what the bank itself knows; a photographed document goes to an officer's review."""
    form = read_form(messages.NewPortrait, request.form)
    if form.message is None:
        return _portrait_page(person_id, form)
    image = request.files["image"].read() if "image" in request.files else b""
    try:
        _keep_portrait(person_id, image, form.message.assurance)
    except (ImageRejected, DocumentRejected) as refusal:
        return _portrait_page(person_id, form.refused(refusal, "image"))
    return redirect(url_for("operations.persons.people"), 303)


def _keep_portrait(person_id: str, image: bytes, assurance: Assurance) -> None:
    services, actor = current_services(), get_account().id
    if assurance is Assurance.LOW:
        submit_document(services, person_id, image, actor=actor)
        notify("已截取人像，合规专员审核后生效。", "Cut out; it counts once an officer has reviewed it.")
        return
    with services.transaction() as session:
        persons.set_portrait(services, session, person_id, image, assurance, actor)
    notify("比对照片已加密保存。", "The portrait is sealed.")


def _person_page(form: Form[messages.NewPerson]) -> Page:
    with current_services().reading() as session:
        enterprises = service.list_tenants(session, kind=TenantKind.ENTERPRISE)
    return render_template("operations/person_new.html", form=form, enterprises=enterprises), form.status


def _portrait_page(person_id: str, form: Form[messages.NewPortrait]) -> Page:
    services = current_services()
    with services.reading() as session:
        facts = persons.get_person_facts(services, session, person_id)
    return render_template("operations/portrait.html", form=form, person=facts), form.status

"""Operators' pages: make a contract from a template and send the signing link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import segno
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.identity import persons
from app.identity import service as identity
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.operations import messages
from app.operations.contract_forms import FORMS, ContractForm
from app.operations.service import send_contract
from app.problems import NotFound
from app.signing import service as signing
from app.signing.models import Contract
from app.signing.problems import SignersNotFitting
from app.wiring import current_services
from contracts import ceremony as rules
from contracts.errors import ContractError
from contracts.render import list_templates
from kyc.errors import EnterpriseNotConfirmed

blueprint = Blueprint("contracts", __name__, url_prefix="/contracts")


@blueprint.get("")
@requires(Role.OPERATOR)
def contracts() -> Page:
    """The newest contracts and how far each is."""
    with current_services().reading() as session:
        found = signing.list_contracts(session, limit=100)
    return render_template("operations/contracts.html", contracts=found), 200


@blueprint.get("/new")
@requires(Role.OPERATOR)
def new_contract() -> Page:
    """The form of a template, with today's usual values."""
    today = current_services().clock().date()
    usual = {"start_date": today.isoformat(), "end_date": (today + timedelta(days=365)).isoformat()}
    return _contract_page(request.args.get("template", next(iter(FORMS))), Form(sent=usual))


@blueprint.post("/new")
@requires(Role.OPERATOR)
def create_contract() -> Page:
    """Typeset it, invite the signers and show their links, once."""
    fields = MultiDict(request.form)
    name = fields.pop("template", "")
    form = read_form(_form_of(name), fields)
    if form.message is None:
        return _contract_page(name, form)
    try:
        sent = send_contract(current_services(), form.message, get_account())
    except (ContractError, EnterpriseNotConfirmed, SignersNotFitting) as refusal:
        return _contract_page(name, form.refused(refusal))
    return sent_page(sent.contract, sent.links)


@blueprint.get("/<contract_id>")
@requires(Role.OPERATOR)
def contract(contract_id: str) -> Page:
    """Who has signed, and what the sender may still do: send a link anew, withdraw the contract."""
    with current_services().reading() as session:
        found = signing.get_contract(session, contract_id)
    page = render_template("operations/contract.html", contract=found, ceremony=rules.from_dict(found.ceremony))
    return page, 200


@blueprint.post("/<contract_id>/parties/<party_id>/resend")
@requires(Role.OPERATOR)
def resend(contract_id: str, party_id: str) -> Page:
    """A new link for one party, shown once; the former one is closed."""
    services = current_services()
    with services.transaction() as session:
        link = signing.resend(services, session, contract_id=contract_id, party_id=party_id, actor=get_account().id)
    with services.reading() as session:
        found = signing.get_contract(session, contract_id)
    return sent_page(found, {party_id: link})


@blueprint.post("/<contract_id>/void")
@requires(Role.OPERATOR)
def void(contract_id: str) -> Response | Page:
    """Withdraw it before all have signed."""
    form = read_form(messages.Withdrawal, request.form)
    services = current_services()
    if form.message is None:
        with services.reading() as session:
            found = signing.get_contract(session, contract_id)
        page = render_template(
            "operations/contract.html", contract=found, ceremony=rules.from_dict(found.ceremony), form=form
        )
        return page, form.status
    with services.transaction() as session:
        signing.void(services, session, contract_id=contract_id, reason=form.message.reason, actor=get_account().id)
    notify("合同已撤回，各方链接即时失效。", "Withdrawn: no link works any more.")
    return redirect(url_for(".contract", contract_id=contract_id), 303)


def sent_page(contract: Contract, links: Mapping[str, str]) -> Page:
    """The signing links with their QR codes, shown this once."""
    parties = {party.party_id: party.tenant.name for party in contract.parties}
    shown = [
        (party_id, parties[party_id], link, segno.make(link, error="m").svg_data_uri(scale=5, border=2, light="white"))
        for party_id, link in links.items()
    ]
    return render_template("operations/contract_sent.html", contract=contract, links=shown), 200


def _form_of(template: str) -> type[ContractForm]:
    if template not in FORMS:
        raise NotFound("no such template")
    return FORMS[template]


def _contract_page(template: str, form: Form[ContractForm]) -> Page:
    _form_of(template)
    services = current_services()
    with services.reading() as session:
        people = persons.list_persons(services, session)
        tenants = {tenant.id: tenant for tenant in identity.list_tenants(session)}
    page = render_template(
        "operations/contract_new.html",
        form=form,
        persons=people,
        tenants=tenants,
        templates=list_templates(),
        chosen=template,
    )
    return page, form.status

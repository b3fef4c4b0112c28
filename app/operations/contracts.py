"""Operators' pages: make a contract from a template and send the signing link."""

from __future__ import annotations

from datetime import timedelta

import segno
from flask import Blueprint, render_template, request

from app.identity import persons
from app.identity import service as identity
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page
from app.operations import messages
from app.operations.service import send_contract
from app.signing import service as signing
from app.wiring import current_services
from contracts.errors import ContractError
from contracts.render import list_templates

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
    """The form for a contract, with today's usual values."""
    today = current_services().clock().date()
    usual = {
        "template": list_templates()[-1].name,
        "start_date": today.isoformat(),
        "end_date": (today + timedelta(days=365)).isoformat(),
    }
    return _contract_page(Form(sent=usual))


@blueprint.post("/new")
@requires(Role.OPERATOR)
def create_contract() -> Page:
    """Typeset it, invite the legal representative and show the signing link, once."""
    form = read_form(messages.NewContract, request.form)
    if form.message is None:
        return _contract_page(form)
    try:
        sent = send_contract(current_services(), form.message, get_account())
    except ContractError as refusal:
        return _contract_page(form.refused(refusal))
    code = segno.make(sent.link, error="m").svg_data_uri(scale=5, border=2, light="white")
    return render_template("operations/contract_sent.html", sent=sent, qr_code=code), 200


def _contract_page(form: Form[messages.NewContract]) -> Page:
    services = current_services()
    with services.reading() as session:
        people = persons.list_persons(services, session)
        enterprises = {tenant.id: tenant.name for tenant in identity.list_tenants(session)}
    page = render_template(
        "operations/contract_new.html",
        form=form,
        persons=people,
        enterprises=enterprises,
        templates=list_templates(),
    )
    return page, form.status

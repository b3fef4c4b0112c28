"""The inbox of four-eyes decisions."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app.identity import decisions
from app.identity.access import get_account, requires
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.wiring import current_services

blueprint = Blueprint("decisions", __name__, url_prefix="/decisions")

_DECIDERS = (Role.OPERATOR, Role.COMPLIANCE_OFFICER, Role.CERTIFICATE_OFFICER)


@blueprint.get("")
@requires(*_DECIDERS)
def inbox() -> Page:
    """What waits for another pair of eyes, and what was decided."""
    with current_services().reading() as session:
        found = decisions.list_decisions(session, get_account())
    return render_template("operations/decisions.html", found=found, own=get_account()), 200


@blueprint.post("/<decision_id>/confirm")
@requires(*_DECIDERS)
def confirm(decision_id: str) -> Response:
    """Carry it out."""
    services = current_services()
    with services.transaction() as session:
        decisions.confirm(services, session, decision_id, get_account())
    notify("已复核并执行。", "Confirmed and carried out.")
    return redirect(url_for("operations.decisions.inbox"), 303)


@blueprint.post("/<decision_id>/reject")
@requires(*_DECIDERS)
def reject(decision_id: str) -> Response:
    """Close it without effect."""
    services = current_services()
    with services.transaction() as session:
        decisions.reject(services, session, decision_id, get_account())
    notify("已驳回，未执行任何操作。", "Rejected; nothing was done.")
    return redirect(url_for("operations.decisions.inbox"), 303)

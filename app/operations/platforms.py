"""Operators' page: platforms that the bank's onboarding system proposes; a person makes them real, or not."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app.identity.access import get_account, requires
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.oauth import onboarding
from app.wiring import current_services

blueprint = Blueprint("platforms", __name__, url_prefix="/platforms")


@blueprint.get("")
@requires(Role.OPERATOR)
def proposals() -> Page:
    """What waits for an operator, and what became of the rest."""
    with current_services().reading() as session:
        found = onboarding.list_registrations(session)
    return render_template("operations/platforms.html", found=found), 200


@blueprint.post("/<proposal_id>/confirm")
@requires(Role.OPERATOR)
def confirm(proposal_id: str) -> Response:
    """Register the platform."""
    services = current_services()
    with services.transaction() as session:
        onboarding.confirm_platform(services, session, proposal_id, get_account())
    notify("平台已登记。", "The platform is registered.")
    return redirect(url_for(".proposals"), 303)


@blueprint.post("/<proposal_id>/reject")
@requires(Role.OPERATOR)
def reject(proposal_id: str) -> Response:
    """Close the proposal without effect."""
    services = current_services()
    with services.transaction() as session:
        onboarding.reject_platform(services, session, proposal_id, get_account())
    notify("已驳回，未执行任何操作。", "Rejected; nothing was done.")
    return redirect(url_for(".proposals"), 303)

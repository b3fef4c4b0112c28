"""The officer's page: what platforms confirmed, to be taken over as aliases or not."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app.identity.access import get_account, requires
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.routing import service
from app.wiring import current_services

blueprint = Blueprint("routing", __name__, url_prefix="/routing")


@blueprint.get("")
@requires(Role.OPERATOR)
def aliases() -> Page:
    """What waits for review, and what is in force."""
    with current_services().reading() as session:
        found = service.list_aliases(session)
    return render_template("routing/aliases.html", found=found), 200


@blueprint.post("/<alias_id>/accept")
@requires(Role.OPERATOR)
def accept(alias_id: str) -> Response:
    """From now on these words stand for this branch."""
    _review(alias_id, accept=True)
    notify("已采纳，今后按此识别。", "Accepted; from now on it is read so.")
    return redirect(url_for("operations.routing.aliases"), 303)


@blueprint.post("/<alias_id>/reject")
@requires(Role.OPERATOR)
def reject(alias_id: str) -> Response:
    """They do not, or no longer."""
    _review(alias_id, accept=False)
    notify("已驳回或撤回。", "Rejected or withdrawn.")
    return redirect(url_for("operations.routing.aliases"), 303)


def _review(alias_id: str, *, accept: bool) -> None:
    services = current_services()
    with services.transaction() as session:
        service.review(services, session, alias_id, accept=accept, officer=get_account().id)

"""The start page, the documentation, and what every page shows around its content."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from app.identity.access import current_account, known_account
from app.identity.pages import Page
from app.portal import developer, enterprise, payments
from app.portal.labels import label, options, signature_field, yuan
from app.portal.navigation import build_navigation, places_of
from app.portal.service import count_for
from app.texts import chinese_for
from app.wiring import current_services

blueprint = Blueprint("portal", __name__)
for area in (enterprise, developer, payments):
    blueprint.register_blueprint(area.blueprint)
blueprint.add_app_template_filter(yuan)


@blueprint.app_context_processor
def frame() -> dict[str, Any]:
    """Names for templates: who is there, where one can go, and what stored words are called."""
    account = known_account()
    return {
        "account": account.name if account else "",
        "nav": build_navigation(account.role if account else None),
        "label": label,
        "options": options,
        "signature_field": signature_field,
        "chinese_for": chinese_for,
    }


@blueprint.get("/")
def start() -> Page:
    """Whoever is logged in sees the own tasks; a stranger what this is and how to check a contract."""
    account = current_account()
    if account is None:
        return render_template("portal/landing.html"), 200
    services = current_services()
    with services.reading() as session:
        figures = count_for(services, session, account)
        checkpoint = services.journal.newest_checkpoint(session)
    page = render_template(
        "portal/start.html", own=account, places=places_of(account.role), figures=figures, checkpoint=checkpoint
    )
    return page, 200


@blueprint.get("/docs")
def documentation() -> Page:
    """How a platform gets a token and sends its first protected request."""
    current_account()
    return render_template("portal/docs.html", settings=current_services().settings), 200

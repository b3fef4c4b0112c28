"""Auditors' pages: the tamper-evident journal, its newest checkpoint, and a verification on demand."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from app.identity.access import requires
from app.identity.models import Role
from app.identity.pages import Page
from app.problems import InvalidInput
from app.wiring import current_services

blueprint = Blueprint("journal", __name__, url_prefix="/journal")

_PAGE = 100


@blueprint.get("")
@requires(Role.AUDITOR)
def journal() -> Page:
    """The newest entries and the newest signed checkpoint."""
    before = request.args.get("before", type=int)
    if before is not None and not 0 < before < 1 << 63:
        raise InvalidInput("before is the number of an entry")
    services = current_services()
    with services.reading() as session:
        entries = services.journal.entries(session, _PAGE + 1, before=before)
        checkpoint = services.journal.newest_checkpoint(session)
    page = render_template(
        "operations/journal.html", entries=entries[:_PAGE], more=len(entries) > _PAGE, checkpoint=checkpoint
    )
    return page, 200


@blueprint.post("/verify")
@requires(Role.AUDITOR)
def verify() -> Page:
    """Recompute every leaf and the root from the stored bytes, and compare with the signed checkpoint."""
    services = current_services()
    with services.reading() as session:
        report = services.journal.verify(session)
    return render_template("operations/journal_verified.html", report=report), 200

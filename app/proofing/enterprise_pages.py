"""The enterprise's own page: its signers, and the photograph of a document where the bank holds no portrait."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.identity import persons
from app.identity.access import get_account, requires
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.problems import NotFound, describe
from app.proofing import portraits
from app.wiring import current_services
from kyc.errors import DocumentRejected, ImageRejected

blueprint = Blueprint("enterprise", __name__, url_prefix="/enterprise/representatives")


@blueprint.get("")
@requires(Role.ENTERPRISE_USER)
def representatives() -> Page:
    """Who signs for the enterprise, masked, and whether the bank holds a portrait."""
    return _page()


@blueprint.post("/<person_id>/document")
@requires(Role.ENTERPRISE_USER)
def upload(person_id: str) -> Page | Response:
    """A photograph of the signer's identity document, for an officer's review."""
    services, account = current_services(), get_account()
    with services.reading() as session:
        if persons.get_person_facts(services, session, person_id).tenant_id != account.tenant_id:
            raise NotFound("no such person")  # of another enterprise nothing is told, not even that it is there
    photograph = request.files["image"].read() if "image" in request.files else b""
    try:
        portraits.submit_document(services, person_id, photograph, actor=account.id)
    except (ImageRejected, DocumentRejected) as refusal:
        return _page(person_id, describe(refusal))
    notify("已提交，银行审核后生效。", "Submitted; it counts once the bank has reviewed it.")
    return redirect(url_for("proofing.enterprise.representatives"), 303)


def _page(refused: str = "", problem: dict[str, object] | None = None) -> Page:
    services = current_services()
    with services.reading() as session:
        found = persons.list_persons(services, session, tenant_id=get_account().tenant_id)
        waiting = portraits.waiting_persons(session)
    page = render_template(
        "proofing/representatives.html", persons=found, waiting=waiting, refused=refused, problem=problem
    )
    return page, 422 if problem else 200

"""The page where a stranger verifies a contract, without an account: drop a file, or name a number and a digest.

The same answers come as JSON to whoever prefers it. Files are judged in memory and forgotten.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from werkzeug.datastructures import FileStorage

from app.compliance import strangers
from app.compliance.problems import FileRefused
from app.compliance.subindications import SUB_INDICATIONS
from app.compliance.subjects import readable_subject
from app.problems import Problem, to_response
from app.security import csrf
from app.signing import tasks
from app.wiring import current_services
from contracts.errors import ContractError

blueprint = Blueprint("verification", __name__, url_prefix="/verify")


@blueprint.get("")
def page() -> str:
    """The form, and the answer for a number and a digest."""
    return _page()


@blueprint.post("")
def verify() -> Response | tuple[str, int]:
    """The report on a signed PDF, or the steps of an evidence bundle."""
    try:
        findings = _verify(request.files.get("file"))
    except (Problem, ContractError) as refusal:
        return to_response(refusal) if _wants_json() else (_page(problem=refusal), _status(refusal))
    if _wants_json():
        report, steps = findings["report"], findings["steps"]
        return jsonify(report.to_dict() if report is not None else {"verdict": "VALID", "steps": _told(steps)})
    return _page(**findings), 200


@blueprint.get("/look-up")
def look_up() -> Response | tuple[str, int]:
    """Whether a number and a digest belong to one document of ours, and to which step of its life."""
    services = current_services()
    number, sha256 = request.args.get("number", "")[:40], request.args.get("sha256", "").replace(" ", "")[:64]
    try:
        with services.transaction() as session:
            strangers.admit(services, session, request.remote_addr or "")
        with services.reading() as session:
            known = strangers.look_up(session, number, sha256)
    except Problem as refusal:
        if _wants_json():
            return to_response(refusal)
        return _page(unknown=refusal, number=number, sha256=sha256), _status(refusal)
    if _wants_json():
        facts = {name: getattr(known, name) for name in ("number", "title", "state", "kind", "is_latest", "deleted")}
        return jsonify({**facts, "stored_at": known.stored_at.isoformat(), "sha256": sha256.lower()})
    return _page(known=known, number=number, sha256=sha256), 200


def _verify(upload: FileStorage | None) -> dict[str, Any]:
    services = current_services()
    with services.transaction() as session:
        strangers.admit(services, session, request.remote_addr or "")
    content = upload.read(strangers.MAXIMUM_UPLOAD + 1) if upload is not None else b""
    if not content or len(content) > strangers.MAXIMUM_UPLOAD:
        raise FileRefused(f"a file of at most {strangers.MAXIMUM_UPLOAD // 1024 // 1024} MB")
    found: dict[str, Any] = {"report": None, "steps": None, "sha256": strangers.digest_of(content)}
    if content.startswith(b"PK"):
        bundle = services.workshop.run(tasks.check_evidence, content, services.hierarchy.root_der, services.clock())
        return {**found, "steps": bundle.steps}
    return {**found, "report": strangers.verify_upload(services, content)}


def _page(**shown: Any) -> str:
    return render_template(
        "compliance/verify.html",
        **{"report": None, "steps": None, "problem": None, "known": None, "unknown": None, **shown},
        readable=readable_subject,
        meanings=SUB_INDICATIONS,
    )


def _told(steps: Any) -> list[dict[str, str]]:
    return [{"zh": step.text_zh, "en": step.text_en, "detail": step.detail} for step in steps]


def _status(refusal: Problem | ContractError) -> int:
    return int(refusal.status) if isinstance(refusal, Problem) else 422


def _wants_json() -> bool:
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


csrf.exempt(verify)  # it changes nothing, and programs send files here too

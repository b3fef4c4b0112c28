"""The journal's heads in public, for witnesses and for everybody who keeps one (C2SP tlog-checkpoint)."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify, request

from app.certificates.problems import CosignatureRefused
from app.certificates.refusals import MalformedRequests
from app.problems import InvalidInput
from app.wiring import current_services
from pki.errors import InvalidCheckpoint

blueprint = Blueprint("journal", __name__, url_prefix="/journal")
_MAXIMUM_NOTE = 16 * 1024
_refused = MalformedRequests()


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """The newest signed head with its cosignatures, a signed note; `?witnessed=1`: the newest that has one."""
    services = current_services()
    with services.reading() as session:
        find = (
            services.journal.newest_witnessed if request.args.get("witnessed") else services.journal.newest_checkpoint
        )
        note = find(session)
    if note is None:
        abort(404)
    return Response(note, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@blueprint.get("/consistency")
def consistency() -> Response:
    """That the first `from` leaves begin the first `to` (RFC 9162 §2.1.4): hashes in hexadecimal, in their order."""
    old, new = request.args.get("from", type=int), request.args.get("to", type=int)
    if old is None or new is None:
        raise InvalidInput("from and to are numbers of leaves")
    services = current_services()
    with services.reading() as session:
        proof = services.journal.consistency(session, old, new)
    return jsonify({"from": old, "to": new, "proof": [node.hex() for node in proof]})


@blueprint.post("/cosignature")
def cosignature() -> Response:
    """A head's note with the line of a known witness. 204, or 422 with the reason."""
    note = request.get_data()
    if len(note) > _MAXIMUM_NOTE:
        abort(413)
    services = current_services()
    try:
        with services.transaction() as session:
            services.journal.add_cosignature(session, note)
    except (CosignatureRefused, InvalidCheckpoint):
        _refused.note(services, "cosignature")
        raise
    return Response(status=204)

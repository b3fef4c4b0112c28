"""The journal's heads in public, for witnesses and for everybody who keeps one (C2SP tlog-checkpoint)."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify, request

from app.certificates.problems import CosignatureRefused
from app.certificates.refusals import MalformedRequests
from app.problems import InvalidInput
from app.wiring import current_services
from pki.errors import InvalidCheckpoint

_MAXIMUM_NOTE = 16 * 1024
_refused = MalformedRequests()


def add_to(blueprint: Blueprint) -> None:
    """Add /journal/… to the door's blueprint (a nested one would not inherit its exemptions)."""
    blueprint.add_url_rule("/journal/checkpoint", view_func=checkpoint)
    blueprint.add_url_rule("/journal/consistency", view_func=consistency)
    blueprint.add_url_rule("/journal/cosignature", view_func=cosignature, methods=["POST"])


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


def consistency() -> Response:
    """That the first `from` leaves begin the first `to` (RFC 9162 §2.1.4): hashes in hexadecimal, in their order."""
    old, new = request.args.get("from", type=int), request.args.get("to", type=int)
    if old is None or new is None:
        raise InvalidInput("from and to are numbers of leaves")
    services = current_services()
    with services.reading() as session:
        proof = services.journal.consistency(session, old, new)
    return jsonify({"from": old, "to": new, "proof": [node.hex() for node in proof]})


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

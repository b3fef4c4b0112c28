"""Operators' page: what waits in the outbox, dead letters to replay, messages of the clearing that made no sense."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app.identity.access import get_account, requires
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.payments import inbox
from app.payments import outbox as letters
from app.payments.channel_models import OutboxKind, OutboxState
from app.wiring import current_services

blueprint = Blueprint("payments", __name__, url_prefix="/payments")


@blueprint.get("/outbox")
@requires(Role.OPERATOR)
def outbox() -> Page:
    """Counts, dead letters, faulty messages."""
    with current_services().reading() as session:
        counts = letters.count_open(session)
        dead, faults = letters.list_dead(session), inbox.list_faults(session)
    in_doubt = (OutboxState.SENDING, OutboxState.SENT)
    figures = [
        ("待发清算", "To the clearing", counts.get((OutboxKind.DISPATCH, OutboxState.WAITING), 0)),
        ("待清算答复", "Awaiting its answer", sum(counts.get((OutboxKind.DISPATCH, state), 0) for state in in_doubt)),
        ("待回调", "Callbacks to deliver", counts.get((OutboxKind.CALLBACK, OutboxState.WAITING), 0)),
        ("无法投递", "Dead letters", sum(counts.get((kind, OutboxState.DEAD), 0) for kind in OutboxKind)),
    ]
    return render_template("payments/outbox.html", figures=figures, dead=dead, faults=faults), 200


@blueprint.post("/outbox/<item_id>/replay")
@requires(Role.OPERATOR)
def replay(item_id: str) -> Response:
    """Let a dead letter live again."""
    services = current_services()
    with services.transaction() as session:
        letters.replay(services, session, item_id, get_account().id)
    notify("已重新投递。", "It is on its way again.")
    return redirect(url_for(".outbox"), 303)

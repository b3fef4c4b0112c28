"""/healthz and /readyz at every door, for whoever starts and watches the processes. No secrets, no versions."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from app.wiring import Services, current_services

log = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers. Looks at nothing else, so that a slow database never gets a good process killed."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether requests may come: 200 when the database answers and the keys are loaded, otherwise 503."""
    services = current_services()
    checks = {"database": _passes(_ask_database, services), "keys": _passes(_load_keys, services)}
    ready = all(checks.values())
    return jsonify(
        status="ready" if ready else "not-ready",
        checks={name: "pass" if passed else "fail" for name, passed in checks.items()},
    ), 200 if ready else 503


def _passes(check: Callable[[Services], None], services: Services) -> bool:
    try:
        check(services)
    except Exception:  # whatever is wrong, the answer is "not ready" and the log says why
        log.warning("not ready", exc_info=True)
        return False
    return True


def _ask_database(services: Services) -> None:
    with services.reading() as session:
        session.execute(text("SELECT 1"))


def _load_keys(services: Services) -> None:
    _ = services.hierarchy.gateway_sign

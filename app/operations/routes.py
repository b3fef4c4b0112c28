"""The pages of the bank's operators, certificate officers and auditors, one module per subject."""

from __future__ import annotations

from flask import Blueprint

from app.operations import (
    certificates,
    contracts,
    decisions,
    journal,
    organizations,
    payments,
    persons,
    platforms,
    uploads,
)
from app.routing import pages as routing

blueprint = Blueprint("operations", __name__, url_prefix="/operations")
_SUBJECTS = (
    organizations, platforms, persons, contracts, uploads, decisions, certificates, journal, routing, payments,
)  # fmt: skip
for subject in _SUBJECTS:
    blueprint.register_blueprint(subject.blueprint)

"""The pages of the bank's operators, certificate officers and auditors, one module per subject."""

from __future__ import annotations

from flask import Blueprint

from app.operations import certificates, contracts, decisions, journal, organizations, persons
from app.routing import pages as routing

blueprint = Blueprint("operations", __name__, url_prefix="/operations")
for subject in (organizations, persons, contracts, decisions, certificates, journal, routing):
    blueprint.register_blueprint(subject.blueprint)

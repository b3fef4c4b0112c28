"""The pages of the bank's operators, certificate officers and auditors, one module per subject."""

from __future__ import annotations

from flask import Blueprint

from app.operations import certificates, contracts, decisions, journal, organizations, payments, persons, uploads
from app.routing import pages as routing

blueprint = Blueprint("operations", __name__, url_prefix="/operations")
for subject in (organizations, persons, contracts, uploads, decisions, certificates, journal, routing, payments):
    blueprint.register_blueprint(subject.blueprint)

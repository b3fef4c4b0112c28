"""The pages of identity proofing, one module for each kind of reader."""

from __future__ import annotations

from flask import Blueprint

from app.proofing import enterprise_pages, officer_pages, register_pages, signer_pages

blueprint = Blueprint("proofing", __name__)
for reader in (officer_pages, register_pages, signer_pages, enterprise_pages):
    blueprint.register_blueprint(reader.blueprint)

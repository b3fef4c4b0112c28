"""Verification for platforms: their signature alone is enough, for the file is theirs and nothing of ours is told."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from flask import Blueprint

from app.compliance import strangers
from app.compliance.messages import MAX_FILE, VerifyDocument
from app.gateway.answers import GatewayAnswer
from app.gateway.problems import InvalidDocument
from app.gateway.protect import protected
from app.gateway.typed_documents import parse_document
from app.gateway.verify import VerifiedRequest
from app.problems import Fault
from app.wiring import current_services

blueprint = Blueprint("contracts", __name__, url_prefix="/api/v1/contracts")
MAX_BODY = MAX_FILE * 4 // 3 + 1024


@blueprint.post("/verify")
@protected(scope="contracts", content=False, max_body=MAX_BODY)
def verify(verified: VerifiedRequest) -> GatewayAnswer:
    """Validate a signed PDF (ETSI EN 319 102-1): the report, as the verification page shows it; nothing is kept."""
    services = current_services()
    asked = parse_document(verified.document, VerifyDocument, MAX_BODY)
    try:
        pdf = base64.b64decode(asked.file, validate=True)
    except binascii.Error as exc:
        raise InvalidDocument("not Base64", faults=(Fault("/file", "not-base64"),)) from exc
    at = datetime.fromisoformat(asked.at) if asked.at is not None else None
    report = strangers.verify_upload(services, pdf, at=at)
    return GatewayAnswer(status=200, body=report.to_dict())

"""The receipt as an enterprise fetches it: two identities, and the PDF in the sealed part of the answer."""

from __future__ import annotations

import base64

from flask import Blueprint

from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.gateway.typed_documents import parse_document
from app.gateway.verify import VerifiedRequest
from app.payments import receipts
from app.payments.instructions import find_by_name, find_by_reference, signed_request
from app.payments.messages import StatusDocument
from app.problems import NotFound
from app.wiring import current_services

blueprint = Blueprint("payment_receipts", __name__, url_prefix="/api/v1/payments")


@blueprint.post("/receipt")
@protected(scope="payments", content=True)
def receipt(verified: VerifiedRequest) -> GatewayAnswer:
    """The electronic receipt of a settled payment, named as for its status."""
    services = current_services()
    asked = parse_document(verified.document, StatusDocument)
    tenant_id = signed_request(verified).authorization.enterprise_tenant_id
    with services.reading() as session:
        if asked.instruction_id is not None:
            payment = find_by_name(session, tenant_id, asked.instruction_id)
        else:
            payment = find_by_reference(session, tenant_id, asked.bank_reference or "")
    if payment is None:
        raise NotFound("there is no such instruction")
    made = receipts.get_receipt(services, tenant_id, payment.id)
    body = {"instruction_id": payment.instruction_id, "bank_reference": payment.id}
    sealed = {
        "verify_code": receipts.show_code(made.verify_code),
        "receipt_pdf": base64.b64encode(made.pdf).decode(),
    }
    return GatewayAnswer(status=200, body=body, sealed=sealed)

"""What an answer says of an instruction: to the platform in the open, to the enterprise sealed."""

from __future__ import annotations

from typing import Any

from app.payments.channels import Channel
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.payments.parties import Route
from app.routing.banks import bank_name


def platform_facts(payment: PaymentInstruction) -> dict[str, Any]:
    """What the platform must know: identifiers, state, reasons."""
    return {
        "instruction_id": payment.instruction_id,
        "bank_reference": payment.id,
        "state": State(payment.state).value,
        "channel": payment.channel,
        "same_bank": None if payment.payee_bank_id is None else payment.channel == Channel.BOOK,
        "reasons": list(payment.reasons),
        "received_at": payment.received_at.isoformat(),
    }


def enterprise_facts(payment: PaymentInstruction) -> dict[str, Any]:
    """What only the enterprise may read: amounts in fen, accounts, names."""
    return {
        "amount_minor": payment.amount_minor,
        "currency": "CNY",
        "payer_account": payment.payer_account,
        "payee": {
            "name": payment.payee_name,
            "account": payment.payee_account,
            "bank": bank_name(payment.payee_bank_id) if payment.payee_bank_id else None,
            "clearing_code": payment.clearing_code,
        },
        "purpose": payment.purpose,
    }


def route_facts(route: Route) -> dict[str, Any]:
    """How the payee was reached. `leaves_at` is set where the channel is closed until then."""
    opens_at = route.choice.opens_at
    resolution = route.resolution
    return {
        "contradictions": list(resolution.contradictions) if resolution else [],
        "directory": resolution.directory_version if resolution else None,
        "leaves_at": opens_at.isoformat() if opens_at else None,
    }

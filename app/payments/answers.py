"""What an answer says of an instruction: to the platform in the open, to the enterprise sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.gateway.answers import GatewayAnswer
from app.payments.channels import Channel
from app.payments.models import PaymentInstruction
from app.payments.taking import Taken
from app.routing.banks import bank_name

_OK = 200


def answer_of_taken(taken: Taken, at: datetime) -> GatewayAnswer:
    """The answer to an instruction that was taken now."""
    terms = taken.order.terms
    return _answer(
        taken.answer,
        instruction_id=terms.instruction_id,
        bank_reference=taken.payment_id,
        received_at=at,
        amount_minor=terms.amount_minor,
        fee_minor=taken.fee_minor,
        payer_account=terms.payer_account,
        payee_name=terms.payee.name,
        payee_account=terms.payee.account,
        purpose=terms.purpose,
    )


def saved_answer(payment: PaymentInstruction) -> GatewayAnswer:
    """The same answer again, for ever: what was told then, and not where the instruction stands now."""
    return _answer(payment.answer, **_columns(payment))


def current_answer(payment: PaymentInstruction, available_minor: int | None) -> GatewayAnswer:
    """Where an instruction stands now; without a balance where its account is no more."""
    now = {
        "state": payment.state,
        "reasons": payment.reasons,
        "channel": payment.channel,
        "bank": payment.payee_bank_id,
        "clearing_code": payment.clearing_code,
        "available_balance_minor": available_minor,
    }
    return _answer(now, **_columns(payment))


def _columns(payment: PaymentInstruction) -> dict[str, Any]:
    return {
        "instruction_id": payment.instruction_id,
        "bank_reference": payment.id,
        "received_at": payment.received_at,
        "amount_minor": payment.amount_minor,
        "fee_minor": payment.fee_minor,
        "payer_account": payment.payer_account,
        "payee_name": payment.payee_name,
        "payee_account": payment.payee_account,
        "purpose": payment.purpose,
    }


def _answer(
    told: Mapping[str, Any],
    *,
    instruction_id: str,
    bank_reference: str,
    received_at: datetime,
    amount_minor: int,
    fee_minor: int,
    payer_account: str,
    payee_name: str,
    payee_account: str,
    purpose: str,
) -> GatewayAnswer:
    """`body` is what the platform must know; `sealed` has amounts in fen, accounts and names."""
    bank = told["bank"]
    body = {
        "instruction_id": instruction_id,
        "bank_reference": bank_reference,
        "state": told["state"],
        "channel": told["channel"],
        "same_bank": None if bank is None else told["channel"] == Channel.BOOK,
        "reasons": told["reasons"],
        "received_at": received_at.isoformat(),
    }
    sealed = {
        "amount_minor": amount_minor,
        "fee_minor": fee_minor,
        "currency": "CNY",
        "payer_account": payer_account,
        "payee": {
            "name": payee_name,
            "account": payee_account,
            "bank": bank_name(bank) if bank else None,
            "clearing_code": told["clearing_code"],
        },
        "purpose": purpose,
        "available_balance_minor": told["available_balance_minor"],
    }
    if "details" in told:
        sealed["details"] = told["details"]
    return GatewayAnswer(status=_OK, body=body, sealed=sealed)

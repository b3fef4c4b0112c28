"""Electronic receipts (电子回单): made once for a settled payment, sealed by the bank, found by their verify code.

Typesetting and the PDF's signature run in the workshop; the key stays here and signs one digest between the two steps.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.identity.models import Tenant, TenantKind
from app.payments import receipt_tasks
from app.payments.channel_models import PaymentReceipt
from app.payments.channels import BEIJING, Channel
from app.payments.instructions import InstructionView, get_instruction
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.payments.problems import ReceiptNotReady
from app.problems import Unavailable
from app.routing.banks import BANKS_BY_ID
from contracts import cms
from contracts.amounts import capital_amount, format_amount
from contracts.cms import SigningKey

if TYPE_CHECKING:
    from app.wiring import Services

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: nothing that is mistaken for something else
_CODE_LENGTH = 16  # 80 random bits
_CHANNELS = {
    Channel.BOOK: "行内转账",
    Channel.IBPS: "网上支付跨行清算",
    Channel.BEPS: "小额支付",
    Channel.HVPS: "大额支付",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt with its signed PDF."""

    payment_id: str
    verify_code: str
    pdf: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What the public reads under a verify code: enough to compare with the paper, names and accounts masked."""

    number: str
    amount_minor: int
    payer: str
    payee: str
    payee_account: str
    state: State
    made_at: datetime
    document_sha256: str


def get_receipt(services: Services, tenant_id: str, payment_id: str) -> Receipt:
    """The receipt of an enterprise's payment, made at the first call.

    Opens its own transactions, because the PDF is made between them. Raises NotFound, ReceiptNotReady, Unavailable.
    """
    with services.reading() as session:
        payment = get_instruction(session, tenant_id, payment_id)
        known = session.get(PaymentReceipt, payment_id)
        facts, bank = _read_facts(services, session, payment)
    if known is None:
        if payment.state is not State.SETTLED:
            raise ReceiptNotReady("a receipt is for a payment that is settled")
        known = _make(services, payment, facts, bank)
    return Receipt(payment_id, known.verify_code, services.documents.get(known.document_sha256))


def can_be_had(session: Session, payment: InstructionView) -> bool:
    """Whether `get_receipt` gives one: of a payment that came back only where one was made before."""
    return payment.state is State.SETTLED or session.get(PaymentReceipt, payment.bank_reference) is not None


def find_by_code(session: Session, code: str) -> VerifiedReceipt | None:
    """What a verify code stands for, with the state in which the payment is now; None where it stands for nothing."""
    known = session.scalar(select(PaymentReceipt).where(PaymentReceipt.verify_code == _plain(code)))
    if known is None:
        return None
    payment = session.get_one(PaymentInstruction, known.payment_id)
    payer = session.get(Tenant, payment.tenant_id)
    return VerifiedReceipt(
        number=payment.id,
        amount_minor=payment.amount_minor,
        payer=mask_name(payer.name if payer else ""),
        payee=mask_name(payment.payee_name),
        payee_account=f"…{payment.payee_account[-4:]}",
        state=State(payment.state),
        made_at=known.made_at,
        document_sha256=known.document_sha256,
    )


def show_code(code: str) -> str:
    """A verify code in groups of four, as it is printed."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def mask_name(name: str) -> str:
    """First and last character, so that whoever knows the name recognises it: 杭州…公司 stays 杭…司."""
    return name if len(name) < 2 else f"{name[0]}…{name[-1]}"


def _make(services: Services, payment: InstructionView, facts: dict[str, Any], bank: Tenant) -> PaymentReceipt:
    now = services.clock()
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    url = f"{services.settings.people_url}/receipts?code={code}"
    held = services.hierarchy.seal
    if not isinstance(held.key, SigningKey):
        raise Unavailable("the seal's key cannot sign documents")
    started = services.workshop.run(
        receipt_tasks.begin,
        receipt_tasks.ReceiptStart(
            facts=facts | {"verify-code": show_code(code), "verify-url": url},
            seal_name=bank.name,
            seal_code=bank.uscc,
            certificate=held.certificate.public_bytes(Encoding.DER),
            chain=tuple(issuer.public_bytes(Encoding.DER) for issuer in held.chain),
            at=now,
        ),
    )
    value = cms.sign_attributes(held.key, held.certificate, started.signed_attributes)
    token = services.hierarchy.timestamps.timestamp(hashlib.sha256(value).digest())
    pdf = services.workshop.run(receipt_tasks.finish, started.pending, value, token)
    row = {
        "payment_id": payment.bank_reference,
        "tenant_id": payment.tenant_id,
        "verify_code": code,
        "document_sha256": services.documents.put(pdf),
        "made_at": now,
    }
    with services.transaction() as session:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        statement = dialect.insert(PaymentReceipt).values(row).on_conflict_do_nothing()
        if session.scalar(statement.returning(PaymentReceipt.payment_id)) is not None:
            body = {"document_sha256": row["document_sha256"]}
            services.journal.append(
                session, "receipt-made", subject=payment.bank_reference, actor=payment.tenant_id, body=body
            )
        return session.get_one(PaymentReceipt, payment.bank_reference)  # of two at once, both get the first


def _read_facts(services: Services, session: Session, payment: InstructionView) -> tuple[dict[str, Any], Tenant]:
    bank = session.scalar(select(Tenant).where(Tenant.kind == TenantKind.BANK))
    if bank is None:
        raise Unavailable("the bank is not registered")
    stored = session.get_one(PaymentInstruction, payment.bank_reference)
    accounts = services.core_banking(session, services.clock()).find([payment.payer_account])
    payer = accounts.get(payment.payer_account) or session.get_one(Tenant, payment.tenant_id)  # of a closed account
    settled = [step.at for step in payment.steps if step.state is State.SETTLED]
    payee_bank = BANKS_BY_ID.get(stored.payee_bank_id or "")
    same_bank = payment.channel in {None, Channel.BOOK}
    facts = {
        "number": payment.bank_reference.upper(),
        "bank": bank.name,
        "payer": {"name": payer.name, "account": payment.payer_account, "bank": bank.name},
        "payee": {
            "name": payment.payee_name,
            "account": payment.payee_account,
            "bank": bank.name if same_bank else (payee_bank.name if payee_bank else stored.payee_bank_id or ""),
        },
        "amount": {"figures": format_amount(payment.amount_minor), "capital": capital_amount(payment.amount_minor)},
        "purpose": payment.purpose,
        "instruction": payment.instruction_id,
        "channel": _CHANNELS.get(payment.channel or Channel.BOOK, ""),
        "received": _beijing(payment.received_at),
        "settled": _beijing(settled[-1]) if settled else "",
    }
    return facts, bank


def _beijing(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _plain(code: str) -> str:
    """As a person may type it: groups, case, and the letters that Crockford reads as digits."""
    plain = code.strip().upper().replace("-", "").replace(" ", "")
    return plain.replace("O", "0").replace("I", "1").replace("L", "1")

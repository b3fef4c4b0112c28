"""The second approver's decision on a held payment, with the second factor at the act.

Whoever granted the authorization under which the payment came is its first pair of eyes, and approves none of them;
anybody of the enterprise may refuse one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.identity.models import Account, Role
from app.identity.step_up import confirm_code
from app.payments import held
from app.payments.approvals import find_row, is_granted_by
from app.payments.channel_models import PaymentApproval
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.payments.problems import HeldNoLonger, OwnAuthorization
from app.problems import NotAllowed

if TYPE_CHECKING:
    from app.wiring import Services

APPROVED, REFUSED = "approved", "refused"


def decide(services: Services, account: Account, payment_id: str, *, approve: bool, code: str, note: str) -> State:
    """Approve or refuse with a code of the second factor; returns where the payment stands then.

    Opens its own transactions. Raises NotFound, NotAllowed, OwnAuthorization, HeldNoLonger, InvalidCredentials, and
    what `held.approve` raises.
    """
    if account.role != Role.ENTERPRISE_USER:
        raise NotAllowed("payments are approved by their enterprise")
    with services.reading() as session:
        row = find_row(session, account, payment_id)
        if approve and is_granted_by(session, row, account):
            raise OwnAuthorization("another person of the enterprise has to approve this")
    confirm_code(services, account, code)
    with services.transaction() as session:
        row = session.get_one(PaymentApproval, payment_id, with_for_update=True, populate_existing=True)
        payment = session.get_one(PaymentInstruction, payment_id)
        if row.outcome is not None or payment.state != State.HELD or row.expires_at <= services.clock():
            raise HeldNoLonger("this was decided before, or its time is over")
        row.outcome = APPROVED if approve else REFUSED
        row.decided_by, row.decided_at, row.note = account.id, services.clock(), note or None
        kind = "payment-approved" if approve else "payment-approval-refused"
        services.journal.append(session, kind, subject=payment_id, actor=account.id, body={"reasons": row.reasons})
        if approve:
            return held.approve(services, session, payment_id, approver=account.id, note=note)
        return held.refuse(services, session, payment_id, approver=account.id, reason=note)

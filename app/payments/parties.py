"""Where the payee's money lies: in this bank or another, and which channel reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.payments.channels import BEIJING, Channel, ChannelChoice, ChannelQuery, choose_channel, parameters_on
from app.payments.core_banking import CoreBanking
from app.payments.messages import Payee, PaymentDocument
from app.payments.problems import CalendarMissing
from app.payments.workdays import CalendarUnknown
from app.routing.messages import resolution_body
from app.routing.recognition import Resolution, RoutingQuery
from app.routing.service import resolve
from app.wiring import Services


class NotRoutable(Exception):
    """The payee cannot be reached for certain; `reason` is a stable code, `resolution` has the candidates."""

    def __init__(self, reason: str, resolution: Resolution | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resolution = resolution


@dataclass(frozen=True, slots=True)
class Route:
    """A payee that can be reached: its bank, where known its branch, and the channel."""

    bank_id: str
    clearing_code: str | None
    choice: ChannelChoice
    channel: Channel
    resolution: Resolution | None

    def facts(self) -> dict[str, Any]:
        """What decided the route, to be recorded with the step."""
        opens_at = self.choice.opens_at
        return {
            "channel": self.channel.value,
            "considered": [
                {"channel": each.channel.value, "taken": each.taken, "reason": each.reason}
                for each in self.choice.considered
            ],
            "opens_at": opens_at.isoformat() if opens_at else None,
            "parameters": self.choice.parameters_version,
            "payee_bank": self.bank_id,
            "clearing_code": self.clearing_code,
            "resolution": resolution_body(self.resolution) if self.resolution else None,
        }


def route_payee(
    services: Services, session: Session, core: CoreBanking, document: PaymentDocument, at: datetime
) -> Route:
    """Find the payee's bank and a channel.

    Raises NotRoutable; CalendarMissing, DirectoryMissing to try again later.
    """
    payee = document.payee
    resolution = None
    if payee.bank_text is None and payee.clearing_code is None:
        if core.find_account(payee.account) is None:
            raise NotRoutable("payee-bank-unclear")
        bank_id = services.settings.home_bank
    else:
        resolution = resolve(services, session, RoutingQuery(payee.bank_text or "", payee.clearing_code))
        if "bank" in resolution.contradictions:
            raise NotRoutable("payee-bank-contradicts-code", resolution)
        if resolution.bank is None:
            raise NotRoutable("payee-bank-unclear", resolution)
        bank_id = resolution.bank.id
    same_bank = bank_id == services.settings.home_bank
    if same_bank:
        _verify_holder(core, payee, resolution)
    branch = resolution.branch if resolution else None
    try:
        parameters = parameters_on(at.astimezone(BEIJING).date())
        choice = choose_channel(ChannelQuery(document.amount_minor, same_bank, branch is not None), parameters, at)
    except CalendarUnknown as exc:
        raise CalendarMissing(str(exc)) from exc
    if choice.channel is None:
        raise NotRoutable("payee-branch-unclear", resolution)
    return Route(bank_id, branch.code if branch else None, choice, choice.channel, resolution)


def _verify_holder(core: CoreBanking, payee: Payee, resolution: Resolution | None) -> None:
    if core.find_account(payee.account) is None:
        raise NotRoutable("payee-account-unknown", resolution)
    if not core.is_holder(payee.account, payee.name):
        raise NotRoutable("payee-name-differs", resolution)

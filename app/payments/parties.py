"""Where the payee's money lies: in this bank or another, and which channel reaches it. No I/O of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.payments.channels import (
    BEIJING,
    Channel,
    ChannelChoice,
    ChannelParameters,
    ChannelQuery,
    choose_channel,
    parameters_on,
)
from app.payments.core_banking import CoreBanking
from app.payments.ledger import Account
from app.payments.messages import Payee
from app.payments.problems import CalendarMissing
from app.payments.workdays import CalendarUnknown
from app.routing.messages import candidate_body, resolution_body
from app.routing.recognition import Recogniser, Resolution, RoutingQuery
from app.settings import Settings

# The member of the document that is to be changed.
_POINTERS = {
    "payee-bank-unclear": "/payee/bank_text",
    "payee-branch-unclear": "/payee/bank_text",
    "payee-bank-contradicts-code": "/payee/bank_text",
    "payee-account-unknown": "/payee/account",
    "payee-name-differs": "/payee/name",
}


class NotRoutable(Exception):
    """The payee cannot be reached for certain; `reason` is a stable code, `resolution` has the candidates."""

    def __init__(self, reason: str, resolution: Resolution | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resolution = resolution

    def facts(self) -> dict[str, Any]:
        """What explains it to the enterprise."""
        resolution = self.resolution
        return {
            "pointer": _POINTERS[self.reason],
            "routing_reasons": list(resolution.reasons) if resolution else [],
            "candidates": [candidate_body(match) for match in resolution.candidates] if resolution else [],
        }


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
            "channel": str(self.channel),
            "considered": [
                {"channel": str(each.channel), "taken": each.taken, "reason": each.reason}
                for each in self.choice.considered
            ],
            "opens_at": opens_at.isoformat() if opens_at else None,
            "parameters": self.choice.parameters_version,
            "payee_bank": self.bank_id,
            "clearing_code": self.clearing_code,
            "resolution": resolution_body(self.resolution) if self.resolution else None,
        }

    def explanation(self) -> dict[str, Any]:
        """How the payee was reached, for the enterprise. `leaves_at` is set where the channel is closed until then."""
        opens_at = self.choice.opens_at
        return {
            "contradictions": list(self.resolution.contradictions) if self.resolution else [],
            "directory": self.resolution.directory_version if self.resolution else None,
            "leaves_at": opens_at.isoformat() if opens_at else None,
        }


def names_a_bank(payee: Payee) -> bool:
    """Whether the directory is needed; a payee without a bank must have an account here."""
    return payee.bank_text is not None or payee.clearing_code is not None


def find_bank(payee: Payee, amount_minor: int, recogniser: Recogniser | None) -> Resolution | None:
    """The bank that the payee names, None where it names none; account, name and amount have their say in it.

    Raises NotRoutable.
    """
    if not names_a_bank(payee) or recogniser is None:
        return None
    query = RoutingQuery(
        payee.bank_text or "",
        payee.clearing_code,
        account=payee.account,
        payee=payee.name,
        amount_minor=amount_minor,
    )
    resolution = recogniser.recognise(query)
    if "bank" in resolution.contradictions:
        raise NotRoutable("payee-bank-contradicts-code", resolution)
    if resolution.bank is None:
        raise NotRoutable("payee-bank-unclear", resolution)
    return resolution


def is_here(resolution: Resolution | None) -> bool:
    """Whether the money stays in this bank."""
    return resolution is None or resolution.bank is None or resolution.bank.id == resolution.home_bank


@lru_cache(maxsize=4)  # the same for a whole group
def _parameters_at(at: datetime, ibps_limit_minor: int | None) -> ChannelParameters:
    return parameters_on(at.astimezone(BEIJING).date(), ibps_limit_minor)


def find_route(
    payee: Payee,
    amount_minor: int,
    resolution: Resolution | None,
    accounts: Mapping[str, Account],
    core: CoreBanking,
    at: datetime,
    settings: Settings,
) -> Route:
    """The channel, once the bank is known; `accounts` has the payee's own where it is here. The settings name this bank
    and its own limit for IBPS.

    Raises NotRoutable; CalendarMissing to try again later.
    """
    same_bank = is_here(resolution)
    if same_bank:
        account = accounts.get(payee.account)
        if account is None:
            raise NotRoutable("payee-bank-unclear" if resolution is None else "payee-account-unknown", resolution)
        if not core.is_holder(account, payee.name):
            raise NotRoutable("payee-name-differs", resolution)
    branch = resolution.branch if resolution else None
    try:
        parameters = _parameters_at(at, settings.ibps_limit_minor)
        choice = choose_channel(ChannelQuery(amount_minor, same_bank, branch is not None), parameters, at)
    except CalendarUnknown as exc:
        raise CalendarMissing(str(exc)) from exc
    if choice.channel is None:
        raise NotRoutable("payee-branch-unclear", resolution)
    bank_id = resolution.bank.id if resolution and resolution.bank else settings.home_bank
    return Route(bank_id, branch.code if branch else None, choice, choice.channel, resolution)

"""Elements that several messages share, between our values and the schema's types.

Every message has classes of its own for the same element, so `kind` is the module of pyiso20022 to take them from.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

from xsdata.models.datatype import XmlDate, XmlDateTime

from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.values import CURRENCY

CLEARING_SYSTEM = "CNAPS"  # ExternalClearingSystemIdentification1Code: 12-digit codes of China's payment system


def to_moment(at: datetime) -> XmlDateTime:
    """Whole seconds in UTC."""
    return XmlDateTime.from_datetime(at.astimezone(UTC).replace(microsecond=0))


def from_moment(value: XmlDateTime, place: str) -> datetime:
    """Raises MessageRefused for a time without offset: it could mean anything."""
    moment = value.to_datetime()
    if moment.tzinfo is None:
        raise MessageRefused("time-without-offset", place)
    return moment.astimezone(UTC)


def to_day(day: date) -> XmlDate:
    """A date without offset, meant in Beijing."""
    return XmlDate.from_date(day)


def to_amount(kind: ModuleType, amount_minor: int, *, historic: bool = False) -> Any:
    """Fen as yuan with two decimals."""
    amount = kind.ActiveOrHistoricCurrencyAndAmount if historic else kind.ActiveCurrencyAndAmount
    return amount(value=Decimal(amount_minor).scaleb(-2), ccy=CURRENCY)


def from_amount(amount: Any, place: str) -> int:
    """Fen. Raises MessageRefused for another currency, for fractions of a fen and for nothing or less."""
    minor = amount.value.scaleb(2)
    if amount.ccy != CURRENCY:
        raise MessageRefused("wrong-currency", place)
    if minor != minor.to_integral_value() or minor <= 0:
        raise MessageRefused("wrong-amount", place)
    return int(minor)


def to_settlement(kind: ModuleType, channel: str) -> Any:
    """Settled by a clearing system, which is the channel."""
    return kind.SettlementInstruction7(
        sttlm_mtd=kind.SettlementMethod1Code.CLRG,
        clr_sys=kind.ClearingSystemIdentification3Choice(prtry=channel.upper()),
    )


def from_settlement(settlement: Any, place: str) -> str:
    """The channel in lower case. Raises MessageRefused."""
    system = settlement.clr_sys
    if system is None or not system.prtry:
        raise MessageRefused("missing", f"{place}/SttlmInf/ClrSys/Prtry")
    return str(system.prtry).lower()


def to_agent(kind: ModuleType, bank: str, clearing_code: str | None = None) -> Any:
    """A bank by its branch's clearing code where there is one, and by its name."""
    member = None
    if clearing_code is not None:
        system = kind.ClearingSystemIdentification2Choice(cd=CLEARING_SYSTEM)
        member = kind.ClearingSystemMemberIdentification2(clr_sys_id=system, mmb_id=clearing_code)
    return kind.BranchAndFinancialInstitutionIdentification6(
        fin_instn_id=kind.FinancialInstitutionIdentification18(clr_sys_mmb_id=member, nm=bank)
    )


def from_agent(agent: Any, place: str) -> tuple[str, str | None]:
    """(name of the bank, clearing code). Raises MessageRefused."""
    bank = agent.fin_instn_id
    if bank.nm is None:
        raise MessageRefused("missing", f"{place}/FinInstnId/Nm")
    return bank.nm, bank.clr_sys_mmb_id.mmb_id if bank.clr_sys_mmb_id else None


def to_account(kind: ModuleType, number: str, *, wrapper: str = "CashAccount38") -> Any:
    """An account by its number."""
    other = kind.GenericAccountIdentification1(id=number)
    return getattr(kind, wrapper)(id=kind.AccountIdentification4Choice(othr=other))


def from_account(account: Any, place: str) -> str:
    """The account's number. Raises MessageRefused."""
    if account is None or account.id.othr is None:
        raise MessageRefused("missing", f"{place}/Id/Othr")
    return str(account.id.othr.id)


def from_name(party: Any, place: str) -> str:
    """The party's name. Raises MessageRefused."""
    if party is None or party.nm is None:
        raise MessageRefused("missing", f"{place}/Nm")
    return str(party.nm)


def to_reason(choice: type, reason: str) -> Any:
    """A code of ISO 20022 is in capitals; our own words are in lower case."""
    return choice(cd=reason) if reason.isupper() else choice(prtry=reason)


def from_reason(choice: Any) -> str | None:
    """The code or the proprietary word; None where there is neither."""
    return None if choice is None else choice.cd or choice.prtry


def verify_count(stated: str, found: int) -> None:
    """NbOfTxs. Raises MessageRefused."""
    if stated != str(found) or not found:
        raise MessageRefused("wrong-number-of-transactions", "/GrpHdr/NbOfTxs")

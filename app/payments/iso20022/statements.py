"""camt.053.001.08, bank to customer statement, as the end-of-day file of a channel.

The account is the bank's settlement account with the channel; it begins each day at zero (net settlement).
"""

from __future__ import annotations

from typing import Any

from pyiso20022.camt import camt_053_001_08 as kind

from app.payments.iso20022 import parts
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.values import ChannelStatement, StatementEntry

NAME = "camt.053.001.08"
DOCUMENT = kind.Document
_BOOKED = "BOOK"  # ExternalEntryStatus1Code
# ExternalBankTransactionDomain1Code: payments, issued credit transfers, domestic credit transfer.
_DOMAIN, _FAMILY, _SUB_FAMILY = "PMNT", "ICDT", "DMCT"
_OPENING, _CLOSING = "OPBD", "CLBD"  # ExternalBalanceType1Code


def build(message: ChannelStatement) -> Any:
    """The statement as a document of pyiso20022."""
    created = parts.to_moment(message.created_at)
    statement = kind.AccountStatement9(
        id=message.message_id,
        cre_dt_tm=created,
        acct=parts.to_account(kind, message.channel.upper(), wrapper="CashAccount39"),
        bal=[_build_balance(message, _OPENING, 0), _build_balance(message, _CLOSING, message.net_minor)],
        ntry=[_build_entry(entry) for entry in message.entries],
    )
    header = kind.GroupHeader81(msg_id=message.message_id, cre_dt_tm=created)
    return kind.Document(bk_to_cstmr_stmt=kind.BankToCustomerStatementV08(grp_hdr=header, stmt=[statement]))


def read(document: Any) -> ChannelStatement:
    """The inverse of `build`. Raises MessageRefused, also where entries and closing balance differ."""
    body = document.bk_to_cstmr_stmt
    if len(body.stmt) != 1:
        raise MessageRefused("wrong-number-of-elements", "/Stmt")
    [statement] = body.stmt
    closing = [balance for balance in statement.bal if balance.tp.cd_or_prtry.cd == _CLOSING]
    if len(closing) != 1 or closing[0].dt.dt is None:
        raise MessageRefused("missing", "/Stmt/Bal")
    message = ChannelStatement(
        message_id=body.grp_hdr.msg_id,
        created_at=parts.from_moment(body.grp_hdr.cre_dt_tm, "/GrpHdr/CreDtTm"),
        channel=parts.from_account(statement.acct, "/Stmt/Acct").lower(),
        day=closing[0].dt.dt.to_date(),
        entries=tuple(_read_entry(entry, f"/Stmt/Ntry[{place}]") for place, entry in enumerate(statement.ntry, 1)),
    )
    if closing[0].amt.value.scaleb(2) * (1 if _is_debit(closing[0]) else -1) != message.net_minor:
        raise MessageRefused("wrong-sum", "/Stmt/Bal")
    return message


def _build_balance(message: ChannelStatement, code: str, owed_minor: int) -> Any:
    return kind.CashBalance8(
        tp=kind.BalanceType13(cd_or_prtry=kind.BalanceType10Choice(cd=code)),
        amt=parts.to_amount(kind, abs(owed_minor), historic=True),
        cdt_dbt_ind=_indicator(debit=owed_minor >= 0),
        dt=kind.DateAndDateTime2Choice(dt=parts.to_day(message.day)),
    )


def _build_entry(entry: StatementEntry) -> Any:
    references = kind.TransactionReferences6(end_to_end_id=entry.reference, tx_id=entry.reference)
    family = kind.BankTransactionCodeStructure6(cd=_FAMILY, sub_fmly_cd=_SUB_FAMILY)
    return kind.ReportEntry10(
        amt=parts.to_amount(kind, entry.amount_minor, historic=True),
        cdt_dbt_ind=_indicator(debit=not entry.returned),
        rvsl_ind=True if entry.returned else None,
        sts=kind.EntryStatus1Choice(cd=_BOOKED),
        bk_tx_cd=kind.BankTransactionCodeStructure4(domn=kind.BankTransactionCodeStructure5(cd=_DOMAIN, fmly=family)),
        ntry_dtls=[kind.EntryDetails9(tx_dtls=[kind.EntryTransaction10(refs=references)])],
    )


def _read_entry(entry: Any, place: str) -> StatementEntry:
    details = [each for detail in entry.ntry_dtls for each in detail.tx_dtls]
    if len(details) != 1 or details[0].refs is None or details[0].refs.tx_id is None:
        raise MessageRefused("missing", f"{place}/NtryDtls/TxDtls/Refs/TxId")
    returned = bool(entry.rvsl_ind)
    if returned == _is_debit(entry):
        raise MessageRefused("wrong-direction", f"{place}/CdtDbtInd")
    return StatementEntry(details[0].refs.tx_id, parts.from_amount(entry.amt, f"{place}/Amt"), returned)


def _indicator(*, debit: bool) -> Any:
    return kind.CreditDebitCode.DBIT if debit else kind.CreditDebitCode.CRDT


def _is_debit(element: Any) -> bool:
    return bool(element.cdt_dbt_ind is kind.CreditDebitCode.DBIT)

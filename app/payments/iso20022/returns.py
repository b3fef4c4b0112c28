"""pacs.004.001.09, payment return: settled money that comes back."""

from __future__ import annotations

from typing import Any

from pyiso20022.pacs import pacs_004_001_09 as kind

from app.payments.iso20022 import parts
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.values import PaymentReturns, ReturnedTransfer, uetr

NAME = "pacs.004.001.09"
DOCUMENT = kind.Document


def build(message: PaymentReturns) -> Any:
    """The message as a document of pyiso20022."""
    header = kind.GroupHeader90(
        msg_id=message.message_id,
        cre_dt_tm=parts.to_moment(message.created_at),
        nb_of_txs=str(len(message.transfers)),
        intr_bk_sttlm_dt=parts.to_day(message.settled_on),
        sttlm_inf=parts.to_settlement(kind, message.channel),
    )
    returned = [
        kind.PaymentTransaction112(
            orgnl_end_to_end_id=each.reference,
            orgnl_tx_id=each.reference,
            orgnl_uetr=uetr(each.reference),
            rtrd_intr_bk_sttlm_amt=parts.to_amount(kind, each.amount_minor),
            rtr_rsn_inf=[kind.PaymentReturnReason6(rsn=parts.to_reason(kind.ReturnReason5Choice, each.reason))],
        )
        for each in message.transfers
    ]
    return kind.Document(pmt_rtr=kind.PaymentReturnV09(grp_hdr=header, tx_inf=returned))


def read(document: Any) -> PaymentReturns:
    """The inverse of `build`. Raises MessageRefused."""
    body = document.pmt_rtr
    returned = tuple(_read_return(each, f"/TxInf[{place}]") for place, each in enumerate(body.tx_inf, 1))
    parts.verify_count(body.grp_hdr.nb_of_txs, len(returned))
    if body.grp_hdr.intr_bk_sttlm_dt is None:
        raise MessageRefused("missing", "/GrpHdr/IntrBkSttlmDt")
    return PaymentReturns(
        message_id=body.grp_hdr.msg_id,
        created_at=parts.from_moment(body.grp_hdr.cre_dt_tm, "/GrpHdr/CreDtTm"),
        channel=parts.from_settlement(body.grp_hdr.sttlm_inf, "/GrpHdr"),
        settled_on=body.grp_hdr.intr_bk_sttlm_dt.to_date(),
        transfers=returned,
    )


def _read_return(returned: Any, place: str) -> ReturnedTransfer:
    reason = parts.from_reason(returned.rtr_rsn_inf[0].rsn) if returned.rtr_rsn_inf else None
    if returned.orgnl_tx_id is None or reason is None:
        raise MessageRefused("missing", f"{place}/RtrRsnInf")
    amount = parts.from_amount(returned.rtrd_intr_bk_sttlm_amt, f"{place}/RtrdIntrBkSttlmAmt")
    return ReturnedTransfer(returned.orgnl_tx_id, amount, reason)

"""pacs.008.001.08, FI to FI customer credit transfer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyiso20022.pacs import pacs_008_001_08 as kind

from app.payments.iso20022 import parts
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.values import CreditTransfer, CreditTransfers, uetr

NAME = "pacs.008.001.08"
DOCUMENT = kind.Document


def build(message: CreditTransfers) -> Any:
    """The message as a document of pyiso20022."""
    total = sum(transfer.amount_minor for transfer in message.transfers)
    header = kind.GroupHeader93(
        msg_id=message.message_id,
        cre_dt_tm=parts.to_moment(message.created_at),
        nb_of_txs=str(len(message.transfers)),
        ctrl_sum=Decimal(total).scaleb(-2),
        ttl_intr_bk_sttlm_amt=parts.to_amount(kind, total),
        intr_bk_sttlm_dt=parts.to_day(message.settled_on),
        sttlm_inf=parts.to_settlement(kind, message.channel),
    )
    return kind.Document(
        fito_ficstmr_cdt_trf=kind.FitoFicustomerCreditTransferV08(
            grp_hdr=header, cdt_trf_tx_inf=[_build_transfer(transfer) for transfer in message.transfers]
        )
    )


def read(document: Any) -> CreditTransfers:
    """The inverse of `build`. Raises MessageRefused, also where the sums do not add up."""
    body = document.fito_ficstmr_cdt_trf
    header = body.grp_hdr
    transfers = tuple(
        _read_transfer(each, f"/CdtTrfTxInf[{place}]") for place, each in enumerate(body.cdt_trf_tx_inf, 1)
    )
    parts.verify_count(header.nb_of_txs, len(transfers))
    if header.ttl_intr_bk_sttlm_amt is None or header.intr_bk_sttlm_dt is None:
        raise MessageRefused("missing", "/GrpHdr/TtlIntrBkSttlmAmt")
    total = parts.from_amount(header.ttl_intr_bk_sttlm_amt, "/GrpHdr/TtlIntrBkSttlmAmt")
    if total != sum(transfer.amount_minor for transfer in transfers):
        raise MessageRefused("wrong-sum", "/GrpHdr/TtlIntrBkSttlmAmt")
    return CreditTransfers(
        message_id=header.msg_id,
        created_at=parts.from_moment(header.cre_dt_tm, "/GrpHdr/CreDtTm"),
        channel=parts.from_settlement(header.sttlm_inf, "/GrpHdr"),
        settled_on=header.intr_bk_sttlm_dt.to_date(),
        transfers=transfers,
    )


def _build_transfer(transfer: CreditTransfer) -> Any:
    return kind.CreditTransferTransaction39(
        pmt_id=kind.PaymentIdentification7(
            end_to_end_id=transfer.reference, tx_id=transfer.reference, uetr=uetr(transfer.reference)
        ),
        intr_bk_sttlm_amt=parts.to_amount(kind, transfer.amount_minor),
        chrg_br=kind.ChargeBearerType1Code.SLEV,
        dbtr=kind.PartyIdentification135(nm=transfer.payer_name),
        dbtr_acct=parts.to_account(kind, transfer.payer_account),
        dbtr_agt=parts.to_agent(kind, transfer.payer_bank),
        cdtr_agt=parts.to_agent(kind, transfer.payee_bank, transfer.clearing_code),
        cdtr=kind.PartyIdentification135(nm=transfer.payee_name),
        cdtr_acct=parts.to_account(kind, transfer.payee_account),
        rmt_inf=kind.RemittanceInformation16(ustrd=[transfer.purpose]),
    )


def _read_transfer(transfer: Any, place: str) -> CreditTransfer:
    reference = transfer.pmt_id.tx_id
    if reference is None or reference != transfer.pmt_id.end_to_end_id or transfer.pmt_id.uetr != uetr(reference):
        raise MessageRefused("identifiers-differ", f"{place}/PmtId")
    if transfer.rmt_inf is None or len(transfer.rmt_inf.ustrd) != 1:
        raise MessageRefused("missing", f"{place}/RmtInf/Ustrd")
    payee_bank, clearing_code = parts.from_agent(transfer.cdtr_agt, f"{place}/CdtrAgt")
    return CreditTransfer(
        reference=reference,
        amount_minor=parts.from_amount(transfer.intr_bk_sttlm_amt, f"{place}/IntrBkSttlmAmt"),
        payer_name=parts.from_name(transfer.dbtr, f"{place}/Dbtr"),
        payer_account=parts.from_account(transfer.dbtr_acct, f"{place}/DbtrAcct"),
        payer_bank=parts.from_agent(transfer.dbtr_agt, f"{place}/DbtrAgt")[0],
        payee_name=parts.from_name(transfer.cdtr, f"{place}/Cdtr"),
        payee_account=parts.from_account(transfer.cdtr_acct, f"{place}/CdtrAcct"),
        payee_bank=payee_bank,
        clearing_code=clearing_code,
        purpose=transfer.rmt_inf.ustrd[0],
    )

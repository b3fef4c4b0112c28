"""pacs.002.001.10, payment status report, and pacs.028.001.03, the request for one."""

from __future__ import annotations

from typing import Any

from pyiso20022.pacs import pacs_002_001_10 as report_kind
from pyiso20022.pacs import pacs_028_001_03 as request_kind

from app.payments.iso20022 import parts, transfers
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.values import Status, StatusReport, StatusRequest, TransferStatus, uetr

REPORT, REPORT_DOCUMENT = "pacs.002.001.10", report_kind.Document
REQUEST, REQUEST_DOCUMENT = "pacs.028.001.03", request_kind.Document


def build_report(message: StatusReport) -> Any:
    """The report as a document of pyiso20022."""
    header = report_kind.GroupHeader91(msg_id=message.message_id, cre_dt_tm=parts.to_moment(message.created_at))
    original = report_kind.OriginalGroupHeader17(
        orgnl_msg_id=message.original_message_id, orgnl_msg_nm_id=transfers.NAME
    )
    return report_kind.Document(
        fito_fipmt_sts_rpt=report_kind.FitoFipaymentStatusReportV10(
            grp_hdr=header,
            orgnl_grp_inf_and_sts=[original],
            tx_inf_and_sts=[_build_status(status) for status in message.statuses],
        )
    )


def read_report(document: Any) -> StatusReport:
    """The inverse of `build_report`. Raises MessageRefused."""
    body = document.fito_fipmt_sts_rpt
    if len(body.orgnl_grp_inf_and_sts) != 1 or not body.tx_inf_and_sts:
        raise MessageRefused("missing", "/OrgnlGrpInfAndSts")
    return StatusReport(
        message_id=body.grp_hdr.msg_id,
        created_at=parts.from_moment(body.grp_hdr.cre_dt_tm, "/GrpHdr/CreDtTm"),
        original_message_id=body.orgnl_grp_inf_and_sts[0].orgnl_msg_id,
        statuses=tuple(
            _read_status(each, f"/TxInfAndSts[{place}]") for place, each in enumerate(body.tx_inf_and_sts, 1)
        ),
    )


def build_request(message: StatusRequest) -> Any:
    """The request as a document of pyiso20022."""
    header = request_kind.GroupHeader91(msg_id=message.message_id, cre_dt_tm=parts.to_moment(message.created_at))
    asked = [
        request_kind.PaymentTransaction113(
            orgnl_end_to_end_id=reference, orgnl_tx_id=reference, orgnl_uetr=uetr(reference)
        )
        for reference in message.references
    ]
    return request_kind.Document(
        fito_fipmt_sts_req=request_kind.FitoFipaymentStatusRequestV03(grp_hdr=header, tx_inf=asked)
    )


def read_request(document: Any) -> StatusRequest:
    """The inverse of `build_request`. Raises MessageRefused."""
    body = document.fito_fipmt_sts_req
    references = tuple(each.orgnl_tx_id for each in body.tx_inf)
    if not references or None in references:
        raise MessageRefused("missing", "/TxInf/OrgnlTxId")
    return StatusRequest(
        message_id=body.grp_hdr.msg_id,
        created_at=parts.from_moment(body.grp_hdr.cre_dt_tm, "/GrpHdr/CreDtTm"),
        references=references,
    )


def _build_status(status: TransferStatus) -> Any:
    reasons = []
    if status.reason is not None:
        reason = parts.to_reason(report_kind.StatusReason6Choice, status.reason)
        reasons.append(report_kind.StatusReasonInformation12(rsn=reason))
    return report_kind.PaymentTransaction110(
        orgnl_end_to_end_id=status.reference,
        orgnl_tx_id=status.reference,
        orgnl_uetr=uetr(status.reference),
        tx_sts=status.status.value,
        sts_rsn_inf=reasons,
    )


def _read_status(status: Any, place: str) -> TransferStatus:
    if status.orgnl_tx_id is None:
        raise MessageRefused("missing", f"{place}/OrgnlTxId")
    try:
        known = Status(status.tx_sts)
    except ValueError as exc:
        raise MessageRefused("unknown-status", f"{place}/TxSts") from exc
    reason = parts.from_reason(status.sts_rsn_inf[0].rsn) if status.sts_rsn_inf else None
    return TransferStatus(status.orgnl_tx_id, known, reason)

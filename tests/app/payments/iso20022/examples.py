"""One message of every kind."""

from datetime import UTC, date, datetime

from app.payments.iso20022.values import (
    NOT_RECEIVED,
    ChannelStatement,
    CreditTransfer,
    CreditTransfers,
    PaymentReturns,
    ReturnedTransfer,
    StatementEntry,
    Status,
    StatusReport,
    StatusRequest,
    TransferStatus,
)

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
DAY = date(2026, 11, 22)
REFERENCE, OTHER = "01km8k3x0c7vq1p4w9r2s5t6ya", "01km8k3x0d0000000000000000"

TRANSFER = CreditTransfer(
    reference=REFERENCE,
    amount_minor=123_45,
    payer_name="杭州付款企业有限公司",
    payer_account="6222000000000000013",
    payer_bank="云联银行股份有限公司",
    payee_name="李四 & <合伙人>",
    payee_account="6217000010001234567",
    payee_bank="中国建设银行",
    clearing_code="105331000018",
    purpose="货款",
)
TRANSFERS = CreditTransfers("M-1", NOW, "ibps", DAY, (TRANSFER,))
MESSAGES = (
    TRANSFERS,
    CreditTransfers(
        "M-2", NOW, "beps", DAY, (TRANSFER, CreditTransfer(OTHER, 1, "a", "1", "b", "c", "2", "d", None, "e"))
    ),
    StatusReport(
        "S-1",
        NOW,
        "M-1",
        (
            TransferStatus(REFERENCE, Status.SETTLED),
            TransferStatus(OTHER, Status.REJECTED, "AC04"),
            TransferStatus(OTHER, Status.REJECTED, NOT_RECEIVED),
            TransferStatus(OTHER, Status.PENDING),
        ),
    ),
    StatusRequest("Q-1", NOW, (REFERENCE, OTHER)),
    PaymentReturns("R-1", NOW, "ibps", DAY, (ReturnedTransfer(REFERENCE, 123_45, "AC04"),)),
    ChannelStatement("E-1", NOW, "hvps", DAY, (StatementEntry(REFERENCE, 5, False), StatementEntry(OTHER, 9, True))),
    ChannelStatement("E-2", NOW, "beps", DAY, ()),
)

"""What payments refuse with, and how to say it in Chinese."""

from __future__ import annotations

from app.problems import Conflict, NotAllowed, TooManyRequests, Unavailable


class CalendarMissing(Unavailable):
    """The working calendar does not reach as far as this payment needs; nothing was booked."""

    code = "calendar-missing"


class Overloaded(TooManyRequests):
    """This worker has as many payments in hand as it can answer in time; nothing was looked at."""

    code = "overloaded"

    def __init__(self) -> None:
        super().__init__("the service is busy; nothing of this request was looked at", retry_after=1)


class HeldNoLonger(Conflict):
    """The held payment was decided before, or its time is over."""

    code = "held-no-longer"


class OwnAuthorization(NotAllowed):
    """Whoever granted the authorization does not also approve what comes under it."""

    code = "own-authorization"


class ReceiptNotReady(Conflict):
    """There is no receipt before a payment is settled."""

    code = "receipt-not-ready"


TEXTS = {
    "overloaded": "系统繁忙，请求尚未受理，请稍后重试。",
    "held-no-longer": "该笔付款已处理或已逾期。",
    "own-authorization": "平台授权由您授予，须由企业另一人同意。",
    "receipt-not-ready": "付款尚未完成，暂无电子回单。",
    "calendar-missing": "尚无该年度的工作日历，暂时无法受理大额支付，请稍后再试。",
}


# Reasons of instructions that were taken and then rejected; the platform gets the code, people read the
# sentence.
REJECTIONS = {
    "risk-custody-ceiling": "平台托管密钥的付款金额超过上限。",
    "risk-blocked-payee": "收款账户在禁止名单内。",
    "risk-velocity": "短时间内付款笔数过多。",
    "risk-platform-velocity": "平台短时间内付款笔数过多。",
    "risk-night-new-payee": "夜间向新收款人大额付款，已拒绝。",
    "hold-watched-payee": "收款方在关注名单内，须由企业另一人复核。",
    "hold-holiday-new-payee": "节假日向新收款人大额付款，须由企业另一人复核。",
    "hold-new-payee": "首次向该收款人大额付款，须由企业另一人复核。",
    "hold-large-amount": "大额付款，须由企业另一人复核。",
    "hold-unlike-history": "金额远高于该账户以往付款，须由企业另一人复核。",
    "hold-refused": "复核人未同意该笔付款，款项未付出。",
    "hold-expired": "逾期未复核，款项未付出。",
    "payee-bank-unclear": "无法确定收款银行，请提供行号。",
    "payee-branch-unclear": "无法确定收款网点，请提供行号。",
    "payee-bank-contradicts-code": "收款行名称与行号不一致。",
    "payee-account-unknown": "收款账户不存在。",
    "payee-name-differs": "收款户名与账户不符。",
    "insufficient-funds": "账户余额不足。",
    "authorization-ended": "授权或证书已失效，款项已退回付款账户。",
    "message-invalid": "内容无法发往清算渠道，款项已退回付款账户。",
    "AC06": "收款账户已冻结，款项已退回付款账户。",
    "BE01": "收款户名与账号不符，款项已退回付款账户。",
    "BE04": "收款人信息有误，对方银行已退汇。",
    "MD07": "收款账户无法入账，款项已退回付款账户。",
    "MS02": "收款人拒收，对方银行已退汇。",
    "CUST": "收款人要求退汇，款项已退回付款账户。",
    "NARR": "对方银行拒绝，款项已退回付款账户。",
    "DUPL": "与已发送的支付重复。",
    "AC01": "收款账号错误，款项已退回付款账户。",
    "AC04": "收款账户已销户，款项已退回付款账户。",
    "AM02": "金额超过支付渠道的限额，款项已退回付款账户。",
    "TM01": "支付渠道已关闭，款项已退回付款账户。",
    "RC01": "收款行行号无效，款项已退回付款账户。",
}

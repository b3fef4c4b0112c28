"""What payments refuse with, and how to say it in Chinese."""

from __future__ import annotations

from app.problems import Unavailable


class CalendarMissing(Unavailable):
    """The working calendar does not reach as far as this payment needs; nothing was booked."""

    code = "calendar-missing"


TEXTS = {
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
    "AC01": "收款账号错误，款项已退回付款账户。",
    "AC04": "收款账户已销户，款项已退回付款账户。",
    "AM02": "金额超过支付渠道的限额，款项已退回付款账户。",
    "RC01": "收款行行号无效，款项已退回付款账户。",
}

"""Refusals of the signing ceremony, and the Chinese sentences for them and for the domain's own."""

from __future__ import annotations

from http import HTTPStatus

from app.problems import Problem


class InvitationUnknown(Problem):
    """The link is not one of ours."""

    status, code = HTTPStatus.NOT_FOUND, "invitation-unknown"


class InvitationClosed(Problem):
    """The link was good, but the contract is signed, declined, voided or expired."""

    status, code = HTTPStatus.GONE, "invitation-closed"


class IdentityNotConfirmed(Problem):
    """What was entered is not what the bank holds."""

    status, code = HTTPStatus.FORBIDDEN, "identity-not-confirmed"


class SigningLocked(Problem):
    """Too many failures; wait."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "signing-locked"


class NoSigningSession(Problem):
    """The browser has not identified itself for this invitation, or the session has ended."""

    status, code = HTTPStatus.FORBIDDEN, "no-signing-session"


class OtherDocument(Problem):
    """The request speaks of another document or wording than the one shown."""

    status, code = HTTPStatus.CONFLICT, "other-document"


class ChallengeSpent(Problem):
    """The challenge was used, has expired, or belongs to another session."""

    status, code = HTTPStatus.CONFLICT, "challenge-spent"


class NoPortrait(Problem):
    """The bank holds no reference portrait of this person."""

    status, code = HTTPStatus.CONFLICT, "no-portrait"


class NoProof(Problem):
    """The key's signature over the challenge is not good."""

    status, code = HTTPStatus.FORBIDDEN, "no-proof-of-possession"


TEXTS = {
    "invitation-unknown": "签署链接无效，请核对链接或联系发送方。",
    "invitation-closed": "该签署邀请已结束。",
    "identity-not-confirmed": "证件号码后六位不正确，请核对后重试。",
    "signing-locked": "尝试次数过多，已暂时锁定，请稍后再试。",
    "no-signing-session": "签署会话已失效，请重新核实身份。",
    "other-document": "合同内容已更新，请刷新页面重新阅读。",
    "challenge-spent": "本次验证已失效，请重新开始。",
    "no-portrait": "银行未留存您的比对照片，请联系客户经理。",
    "no-proof-of-possession": "签名密钥验证失败，请重试。",
    "illegal-transition": "当前步骤已变化，请刷新页面。",
    "not-your-turn": "前一方尚未签署，请稍候。",
    "face-check-stale": "刷脸核验已超过有效时间，请重新核验后签署。",
    "unknown-party": "没有找到对应的签署方。",
    "missing-glyph": "合同中有无法显示的字符，请修改后重试。",
    "invalid-terms": "合同条款填写有误，请按提示修改。",
    "unknown-template": "没有这个合同模板。",
    "font-missing": "系统缺少中文字体，请联系管理员。",
    "unsafe-document": "该 PDF 含有不允许的内容，无法用于签署。",
    "document-not-valid": "合同验证未通过。",
    "invalid-signature": "签名验证失败。",
    "timestamp-failed": "时间戳服务暂不可用，请稍后再试。",
    "signing-failed": "签署未能完成，请重试。",
}

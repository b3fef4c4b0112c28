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


class InvitationReplaced(Problem):
    """The sender has sent another link in the place of this one."""

    status, code = HTTPStatus.GONE, "invitation-replaced"


class SignersNotFitting(Problem):
    """The signers named are not those that the document has places for."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "signers-not-fitting"


class PlacesNotFitting(Problem):
    """A signature would lie outside its page or over another one."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "places-not-fitting"


class CopyNotReady(Problem):
    """The contract is not archived yet, or the log has not sealed its entry."""

    status, code = HTTPStatus.CONFLICT, "copy-not-ready"


class UploadNotOpen(Problem):
    """The upload was refused, was sent already, or was not accepted yet."""

    status, code = HTTPStatus.CONFLICT, "upload-not-open"


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


class OwnPortrait(Problem):
    """One person alone could otherwise put up a face and be the signer (双人经办)."""

    status, code = HTTPStatus.FORBIDDEN, "own-portrait"


class NoProof(Problem):
    """The key's signature over the challenge is not good."""

    status, code = HTTPStatus.FORBIDDEN, "no-proof-of-possession"


TEXTS = {
    "own-portrait": "比对照片由您上传，合同须由另一位经办人员发送。",
    "invitation-unknown": "签署链接无效，请核对链接或联系发送方。",
    "invitation-replaced": "发送方已重新发送签署链接，请使用新的链接。",
    "signers-not-fitting": "签署方与合同的签署位置不符，请核对各方的签署人。",
    "places-not-fitting": "签署位置超出页面或相互重叠，请重新选择。",
    "copy-not-ready": "合同正在归档，请稍后再下载。",
    "upload-not-open": "该文件已处理，或尚未通过检查。",
    "stale-revision": "另一方刚刚完成签署，请刷新页面后重试。",
    "invitation-closed": "该签署邀请已结束。",
    "identity-not-confirmed": "证件号码后六位不正确，请核对后重试。",
    "signing-locked": "尝试次数过多，已暂时锁定，请稍后再试。",
    "no-signing-session": "签署会话已失效，请重新核实身份。",
    "other-document": "合同内容已更新，请刷新页面重新阅读。",
    "challenge-spent": "本次验证已失效，请重新开始。",
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
    "invalid-place": "签署位置无效。",
    "bounds-exceeded": "文件处理所需的时间或内存超出限制。",
    "signing-failed": "签署未能完成，请重试。",
    "challenge-expired": "核验已超时，请重新开始。",
    "nonce-mismatch": "本次核验与当前合同不符，请刷新页面后重试。",
    "frame-chain-broken": "上传的画面不完整，请重新核验。",
    "frames-incomplete": "采集的画面不足，请按提示完成每个动作。",
    "frame-rejected": "有画面无法识别，请在光线充足处重试。",
    "portrait-rejected": "银行留存的照片无法用于比对，请联系客户经理。",
    "no-face": "没有看到您的脸，请正对屏幕、保持光线充足。",
    "several-faces": "画面中不止一人，请单独操作。",
    "face-mismatch": "与银行留存的照片不符，请本人操作。",
    "liveness-failed": "动作未能识别，请按提示放慢动作后重试。",
    "face-check-failed": "刷脸核验未通过，请重试。",
    "face-engine-unavailable": "刷脸服务暂不可用，请稍后再试。",
    "policy-not-allowed": "刷脸服务设置有误，请联系银行。",
    "invalid-challenge": "本次核验已失效，请重新开始。",
    "face-evidence-invalid": "核验记录有误，请联系银行。",
    "seal-broken": "加密数据无法打开，请联系银行。",
    "enterprise-not-confirmed": "企业信息未能核实。",
    "invalid-identity-number": "身份证号码不正确，请核对。",
    "obsolete-identity-number": "15 位身份证号码已停用，请填写 18 位号码。",
    "image-rejected": "图片无法使用，请更换。",
    "image-unsupported": "仅支持 JPEG 或 PNG 图片。",
    "image-too-large": "图片太大，请压缩后上传。",
    "image-too-small": "图片太小，请使用更清晰的照片。",
    "image-truncated": "图片不完整，请重新上传。",
    "image-animated": "不支持动态图片。",
}

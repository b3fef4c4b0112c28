"""Refusals of enrolment and revocation, and the Chinese sentences for them and for those of pki."""

from __future__ import annotations

from http import HTTPStatus

from app.problems import Problem


class EnrolmentCodeInvalid(Problem):
    """Unknown, used or expired; which of them is nobody's business."""

    status, code = HTTPStatus.FORBIDDEN, "enrolment-code-invalid"


class KeyReused(Problem):
    """The key is certified for somebody else already; one key never stands for two."""

    status, code = HTTPStatus.CONFLICT, "key-reused"


class StateNotFitting(Problem):
    """The certificate's state does not allow it: revoked is for ever, only a held one is released."""

    status, code = HTTPStatus.CONFLICT, "certificate-state"


TEXTS = {
    "enrolment-code-invalid": "注册码无效、已使用或已过期。",
    "key-reused": "该密钥已用于其他证书，请生成新的密钥。",
    "certificate-state": "证书当前状态不允许此操作。",
    "invalid-csr": "证书申请文件（CSR）无法通过检查，请重新生成。",
    "weak-key": "密钥强度不足或类型不受支持，请使用 EC P-256/P-384 或 RSA 2048 位以上密钥。",
    "invalid-identifier": "统一社会信用代码或标识格式不正确。",
    "profile-violation": "证书申请与证书类型不符。",
    "certificate-expired": "证书已过期。",
    "certificate-revoked": "证书已吊销。",
    "untrusted-issuer": "证书不是由受信任的机构签发。",
}

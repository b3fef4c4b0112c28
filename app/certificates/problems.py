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


class KeyTooOld(Problem):
    """A renewal with the same key, too long after the key was made."""

    status, code = HTTPStatus.CONFLICT, "key-too-old"


class KeyCompromised(Problem):
    """The key belongs to a certificate that was revoked for its compromise."""

    status, code = HTTPStatus.CONFLICT, "key-compromised"


class StateNotFitting(Problem):
    """The certificate's state does not allow it: revoked is for ever, only a held one is released."""

    status, code = HTTPStatus.CONFLICT, "certificate-state"


class NotRenewable(Problem):
    """It is not of a kind that is renewed, was renewed before, or its end is too far away."""

    status, code = HTTPStatus.CONFLICT, "not-renewable"


class NotDecided(Problem):
    """The root's key moves only after two officers decided, and once per decision."""

    status, code = HTTPStatus.CONFLICT, "root-operation-not-decided"


class CosignatureRefused(Problem):
    """It is not by a known witness, or not over a head of this log."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "cosignature-refused"


TEXTS = {
    "token-unavailable": "密码设备（PKCS#11）暂不可用。",
    "checkpoint-outdated": "见证方已见过更新的日志头，请从该处重新证明。",
    "checkpoint-forked": "日志对同一长度签署了两个不同的历史。",
    "enrolment-code-invalid": "注册码无效、已使用或已过期。",
    "key-reused": "该密钥已用于其他证书，请生成新的密钥。",
    "key-too-old": "该密钥使用时间过长，请生成新的密钥后再续期。",
    "key-compromised": "该密钥已因泄露被停用，请生成新的密钥。",
    "certificate-state": "证书当前状态不允许此操作。",
    "not-renewable": "该证书不能续期：类型不符、已续期或状态不允许。",
    "root-operation-not-decided": "根密钥操作须经两位证书管理员复核，且只能执行一次。",
    "cosignature-refused": "见证签名无效：见证方未登记，或签名对象不是本日志的检查点。",
    "invalid-csr": "证书申请文件（CSR）无法通过检查，请重新生成。",
    "weak-key": "密钥强度不足或类型不受支持，请使用 EC P-256/P-384 或 RSA 2048 位以上密钥。",
    "invalid-identifier": "统一社会信用代码或标识格式不正确。",
    "profile-violation": "证书申请与证书类型不符。",
    "invalid-revocation": "证书当前状态不允许此操作。",
    "invalid-proof": "日志证明无法通过验证。",
    "invalid-checkpoint": "日志检查点无法通过验证。",
    "certificate-expired": "证书已过期。",
    "certificate-not-yet-valid": "证书尚未生效。",
    "certificate-revoked": "证书已吊销。",
    "revocation-unknown": "无法确认证书是否已被吊销。",
    "wrong-purpose": "证书不适用于此用途。",
    "untrusted-issuer": "证书不是由受信任的机构签发。",
}

"""Why the gateway refuses: one class per reason, with the stable slug of protocol.md as its `code`.

The detail may be shown to the platform. What a refusal must not tell, it does not carry.
"""

from __future__ import annotations

from http import HTTPStatus

from app.problems import Problem


class InvalidRequest(Problem):
    """The request has not the form of the protocol."""

    status, code = HTTPStatus.BAD_REQUEST, "invalid-request"


class ContentTooLarge(Problem):
    """The request is longer than any request of the protocol can be."""

    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content-too-large"


class InvalidToken(Problem):
    """No access token, or one that is not ours, over, revoked, or not bound to the sender's key."""

    status, code = HTTPStatus.UNAUTHORIZED, "invalid-token"


class InvalidDpopProof(Problem):
    """The DPoP proof is missing, not for this request and token, or by another key than the token's."""

    status, code = HTTPStatus.UNAUTHORIZED, "invalid-dpop-proof"


class UseDpopNonce(Problem):
    """The DPoP proof lacks a nonce of this server that is not too old; the DPoP-Nonce field of the answer has one."""

    status, code = HTTPStatus.UNAUTHORIZED, "use-dpop-nonce"


class InvalidMessageSignature(Problem):
    """The message signature, its digest or its time is not good."""

    status, code = HTTPStatus.UNAUTHORIZED, "invalid-signature"


class ExpiredCertificate(Problem):
    """One of the two certificates is outside its time."""

    status, code = HTTPStatus.FORBIDDEN, "certificate-expired"


class RevokedCertificate(Problem):
    """One of the two certificates is revoked or suspended."""

    status, code = HTTPStatus.FORBIDDEN, "certificate-revoked"


class Replayed(Problem):
    """The nonce of the message, the jti of the content or of the DPoP proof was spent before."""

    status, code = HTTPStatus.CONFLICT, "replayed"


class InvalidContent(Problem):
    """Anything between decryption and the content's claims. From outside all of it looks the same."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-content"

    def __init__(self) -> None:
        super().__init__()


class NotAuthorized(Problem):
    """Both identities are proven, but no standing authorization covers this request."""

    status, code = HTTPStatus.FORBIDDEN, "not-authorized"


class LimitExceeded(Problem):
    """The authorization stands, but not for so much."""

    status, code = HTTPStatus.FORBIDDEN, "limit-exceeded"


class InvalidDocument(Problem):
    """The document of the endpoint is wrong; `faults` say where and why."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-document"


class KeyNotMaintained(Problem):
    """ICBC dialect: the application has not the key that this way of signing or encrypting needs."""

    status, code = HTTPStatus.BAD_REQUEST, "key-not-maintained"


class NoSuchApi(Problem):
    """ICBC dialect: no service has this path."""

    status, code = HTTPStatus.NOT_FOUND, "no-such-api"


class IllegalCall(Problem):
    """ICBC dialect: a service that is there, but not to be called like this."""

    status, code = HTTPStatus.BAD_REQUEST, "illegal-call"


TEXTS = {
    "request-timeout": "请求内容发送太慢，请重新发送。",
    "invalid-request": "请求的格式不符合接口协议。",
    "content-too-large": "请求内容超过接口允许的大小。",
    "invalid-token": "访问令牌无效、已过期，或与请求方的证书不符。",
    "invalid-dpop-proof": "DPoP 密钥证明未通过验证，或与访问令牌不符。",
    "use-dpop-nonce": "请使用应答中 DPoP-Nonce 给出的随机数重新生成 DPoP 证明后再试。",
    "invalid-signature": "报文签名、摘要或签名时间未通过验证。",
    "certificate-expired": "证书不在有效期内，请更新证书后重试。",
    "certificate-revoked": "证书已被吊销或暂停，请求被拒绝。",
    "replayed": "该请求已经提交过，不能重复使用。",
    "invalid-content": "业务内容无法解密或签名未通过验证。",
    "not-authorized": "没有有效的企业授权，或授权不包含此操作。",
    "limit-exceeded": "超出企业授权的限额。",
    "invalid-document": "业务内容有误，请按提示的位置修改。",
    "key-not-maintained": "应用未维护此签名或加密方式所需的密钥。",
    "no-such-api": "没有此接口。",
    "illegal-call": "非法调用。",
}

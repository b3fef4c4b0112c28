"""What the sub-indications of ETSI EN 319 102-1 §5.1.3 mean, in Chinese, for people who read a report."""

from __future__ import annotations

from contracts.report import SubIndication

SUB_INDICATIONS: dict[SubIndication, str] = {
    SubIndication.FORMAT_FAILURE: "文件或签名的格式不符合规范，或签名后又追加了内容",
    SubIndication.HASH_FAILURE: "签名后文件内容被改动",
    SubIndication.SIG_CRYPTO_FAILURE: "签名值与证书公钥不符",
    SubIndication.REVOKED: "证书在签名前已被吊销",
    SubIndication.NOT_YET_VALID: "签名时证书尚未生效",
    SubIndication.SIG_CONSTRAINTS_FAILURE: "签名与其绑定的人脸证据、确认文本或所阅文件不符",
    SubIndication.CHAIN_CONSTRAINTS_FAILURE: "证书链不满足用途要求",
    SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE: "证书链无法验证",
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: "所用算法已不可靠，且无法证明签名在此之前存在",
    SubIndication.NO_SIGNING_CERTIFICATE_FOUND: "文件中没有签名证书",
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND: "签名证书不是由受信任的机构签发",
    SubIndication.OUT_OF_BOUNDS_NO_POE: "证书已过期，且无法证明签名在有效期内作出",
    SubIndication.REVOKED_NO_POE: "证书已被吊销，且无法证明签名在吊销前作出",
    SubIndication.REVOKED_CA_NO_POE: "签发机构证书已被吊销，且无法证明签名在此之前作出",
    SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE: "吊销信息已失效，且无法证明其当时有效",
    SubIndication.TRY_LATER: "暂时无法取得证书的吊销信息，请稍后再试",
    SubIndication.SIGNED_DATA_NOT_FOUND: "文件中没有数字签名",
    SubIndication.TIMESTAMP_ORDER_FAILURE: "时间戳的先后顺序有误",
    SubIndication.GENERIC: "文件无法验证：已加密、过大，或处理超出限制",
}

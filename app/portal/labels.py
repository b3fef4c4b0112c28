"""What stored words are called on pages: (Chinese, English)."""

from __future__ import annotations

from app.identity.models import Role, TenantKind
from kyc.ports import Assurance

Label = tuple[str, str]

ROLES: dict[str, Label] = {
    Role.OPERATOR: ("业务经办", "Operator"),
    Role.COMPLIANCE_OFFICER: ("合规专员", "Compliance officer"),
    Role.CERTIFICATE_OFFICER: ("证书管理员", "Certificate officer"),
    Role.AUDITOR: ("审计员", "Auditor"),
    Role.ENTERPRISE_USER: ("企业用户", "Enterprise user"),
    Role.PLATFORM_USER: ("平台开发者", "Platform developer"),
}
TENANT_KINDS: dict[str, Label] = {
    TenantKind.BANK: ("银行", "Bank"),
    TenantKind.ENTERPRISE: ("企业", "Enterprise"),
    TenantKind.PLATFORM: ("平台", "Platform"),
}
CUSTODIES: dict[str, Label] = {
    "agent": ("企业本地代理保管", "Agent at the enterprise"),
    "browser": ("浏览器保管", "Browser"),
    "platform": ("平台代管", "Held by the platform"),
}
PROFILES: dict[str, Label] = {
    "api": ("API 证书", "API"),
    "product-sign": ("产品签名证书", "Product, signing"),
    "product-encrypt": ("产品加密证书", "Product, encryption"),
    "signer": ("签署人证书", "Signer"),
    "seal": ("印章证书", "Seal"),
    "log": ("日志证书", "Log"),
    "ocsp": ("OCSP 证书", "OCSP"),
    "tsa": ("时间戳证书", "Time stamps"),
    "gateway-sign": ("网关签名证书", "Gateway, signing"),
    "gateway-encrypt": ("网关加密证书", "Gateway, encryption"),
    "tls-server": ("服务器证书", "TLS server"),
    "issuing": ("签发机构证书", "Issuing authority"),
    "root": ("根证书", "Root"),
    "product": ("产品证书对", "Product pair"),
}
ASSURANCES: dict[str, Label] = {
    Assurance.HIGH: ("银行核验或权威来源", "Verified by the bank or an authoritative source"),
    Assurance.LOW: ("证件照片截取", "Cut from a document photograph"),
    "assisted": ("人工协助核验", "Established by officers"),
}
REVOCATIONS: dict[str, Label] = {
    "key_compromise": ("私钥泄露", "Key compromise"),
    "affiliation_changed": ("主体信息变更", "Affiliation changed"),
    "superseded": ("已被新证书取代", "Superseded"),
    "cessation_of_operation": ("业务终止", "Cessation of operation"),
    "privilege_withdrawn": ("权限取消", "Privilege withdrawn"),
    "certificate_hold": ("暂停使用", "On hold"),
}
DECISIONS: dict[str, Label] = {
    "revoke-certificate": ("吊销证书", "Revoke a certificate"),
    "sign-issuing": ("签发新一代签发机构", "Sign a new issuing authority"),
    "revoke-issuing": ("吊销签发机构", "Revoke an issuing authority"),
    "assisted-identification": ("人工协助核验", "Assisted identification"),
    "lift-person-hold": ("解除个人法律保全", "Lift a legal hold on a person"),
    "lift-contract-hold": ("解除合同法律保全", "Lift a legal hold on a contract"),
    "open-bank-account": ("开立行内账户", "Open a bank account for staff"),
}
LOCKS: dict[str, Label] = {
    "failures": ("15 分钟内失败 5 次", "Five failures in 15 minutes"),
    "tries": ("当日已满 30 次", "Thirty tries today"),
}
REGISTER_ANSWERS: dict[str, Label] = {
    "confirmed": ("登记信息一致", "Confirmed"),
    "refused": ("与登记信息不符", "Refused"),
    "unknown": ("登记库无结果", "No answer"),
    "accepted": ("人工认定", "Accepted"),
}
ASSISTANCE_METHODS: dict[str, Label] = {
    "video-call": ("视频通话", "Video call"),
    "in-person": ("当面核验", "In person"),
}
DOCUMENT_KINDS: dict[str, Label] = {
    "identity-card": ("居民身份证", "Identity card"),
    "passport": ("护照", "Passport"),
    "household-register": ("户口簿", "Household register"),
    "driving-licence": ("机动车驾驶证", "Driving licence"),
    "social-security-card": ("社会保障卡", "Social security card"),
    "bank-card": ("银行卡", "Bank card"),
}
ASSISTANCE_STATES: dict[str, Label] = {
    "asked": ("待核验", "Asked"),
    "proposed": ("待复核", "Proposed"),
    "confirmed": ("已复核", "Confirmed"),
    "refused": ("未通过", "Refused"),
    "used": ("已使用", "Used"),
}
SCOPES: dict[str, Label] = {
    "payments": ("支付", "Payments"),
    "routing": ("行名行号与路由查询", "Bank directory and routing"),
    "contracts": ("合同验证", "Verification of signed contracts"),
}

PRODUCTS: dict[str, Label] = {"payments": ("支付", "Payments")}
CONTRACT_STATES: dict[str, Label] = {
    "draft": ("草稿", "Draft"),
    "sent": ("待签署", "Sent"),
    "completed": ("已完成", "Completed"),
    "declined": ("已拒签", "Declined"),
    "voided": ("已作废", "Voided"),
    "expired": ("已过期", "Expired"),
}
PARTIES: dict[str, Label] = {
    "enterprise": ("企业", "Enterprise"),
    "platform": ("平台", "Platform"),
    "bank": ("银行", "Bank"),
    "legal-representative": ("企业", "Enterprise"),
    **{f"party-{n}": (f"签署方{zh}", f"Party {n}") for n, zh in enumerate("一二三四", 1)},
}
UPLOADS: dict[str, Label] = {
    "clean": ("可签署", "May be signed"),
    "suspect": ("待处理", "To be decided"),
    "refused": ("已退回", "Refused"),
    "sent": ("已发送", "Sent"),
}
REVISIONS: dict[str, Label] = {
    "prepared": ("签署前的合同", "The contract before signing"),
    "signed": ("签署中的版本", "A revision with signatures"),
    "sealed": ("各方签署并归档的合同", "Signed by all, sealed and archived"),
    "renewed": ("续期后的归档合同", "Archived, with its time stamp extended"),
}
PAYMENT_STATES: dict[str, Label] = {
    "received": ("已收到", "Received"),
    "accepted": ("已受理", "Accepted"),
    "routed": ("已路由", "Routed"),
    "booked": ("已入账", "Booked"),
    "dispatched": ("已发往清算", "Dispatched"),
    "settled": ("已清算", "Settled"),
    "rejected": ("已拒绝", "Rejected"),
}
EVENTS: dict[str, Label] = {
    "directory-renames-loaded": ("导入更名记录", "Former names loaded"),
    "routing-model-stored": ("保存路由模型", "Routing model stored"),
    "routing-model-in-force": ("启用路由模型", "Routing model in force"),
    "routing-decisions-deleted": ("保存期满删除路由决定", "Routing decisions deleted after retention"),
    "routing-choice-confirmed": ("确认收款网点", "Payee's branch confirmed"),
    "routing-alias-accepted": ("采纳网点别名", "Alias of a branch accepted"),
    "routing-alias-rejected": ("驳回网点别名", "Alias of a branch rejected"),
    "routing-alias-withdrawn": ("撤回网点别名", "Alias of a branch withdrawn"),
    "tenant-created": ("登记机构", "Organization registered"),
    "account-created": ("开立账户", "Account created"),
    "account-disabled": ("停用账户", "Account disabled"),
    "log-in-attempted": ("尝试登录", "Log-in attempted"),
    "log-in-throttled": ("登录过于频繁", "Log-ins throttled"),
    "logged-in": ("登录", "Logged in"),
    "logged-out": ("退出", "Logged out"),
    "password-changed": ("更改密码", "Password changed"),
    "person-added": ("登记法定代表人", "Representative registered"),
    "portrait-set": ("保存比对照片", "Portrait sealed"),
    "decision-proposed": ("提出复核事项", "Decision proposed"),
    "decision-confirmed": ("复核通过", "Decision confirmed"),
    "decision-rejected": ("复核驳回", "Decision rejected"),
    "platform-proposed": ("提出登记平台", "Platform proposed"),
    "platform-confirmed": ("复核登记平台", "Platform confirmed"),
    "platform-rejected": ("驳回登记平台", "Platform rejected"),
    "registration-code-made": ("发放应用登记码", "Registration code handed out"),
    "application-registered": ("登记应用", "Application registered"),
    "authorization-granted": ("授权平台", "Authorization granted"),
    "authorization-denied": ("拒绝授权", "Authorization denied"),
    "authorization-revoked": ("撤销授权", "Authorization revoked"),
    "authority-founded": ("建立证书体系", "Authority founded"),
    "authority-added": ("新增签发机构", "Issuing authority added"),
    "root-crl": ("签发根吊销列表", "Root CRL signed"),
    "authorization-follows": ("授权随证书变更", "Authorization follows its certificate"),
    "witness-added": ("登记见证方", "Witness registered"),
    "malformed-request": ("异常请求", "Malformed requests"),
    "application-disabled": ("停用应用", "Application disabled"),
    "token-key-deleted": ("销毁令牌签名密钥", "Token signing key destroyed"),
    "token-key-made": ("生成令牌签名密钥", "Token signing key made"),
    "icbc-settings-changed": ("工行接口设置变更", "ICBC dialect settings changed"),
    "enrolment-refused": ("证书申请被拒", "Enrolment refused"),
    "renewal-refused": ("证书更新被拒", "Renewal refused"),
    "certificate-expiring": ("证书即将到期", "Certificate expires soon"),
    "enrolment-created": ("发放注册码", "Enrolment code handed out"),
    "certificate-issued": ("签发证书", "Certificate issued"),
    "certificate-held": ("暂停证书", "Certificate held"),
    "certificate-released": ("恢复证书", "Certificate released"),
    "certificate-revoked": ("吊销证书", "Certificate revoked"),
    "contract-created": ("生成合同", "Contract typeset"),
    "contract-sent": ("发送签署邀请", "Invitation sent"),
    "party-identified": ("签署人核实身份", "Signer identified"),
    "identification-refused": ("身份核实未通过", "Identification refused"),
    "contract-presented": ("签署人读完全文", "Contract read to the end"),
    "consent-given": ("签署人确认意愿", "Consent given"),
    "face-consent-given": ("同意处理人脸信息", "Consent to face information"),
    "face-check-passed": ("刷脸核验通过", "Face check passed"),
    "face-check-refused": ("刷脸核验未通过", "Face check refused"),
    "face-check-locked": ("刷脸核验锁定", "Face check locked"),
    "document-uploaded": ("上传证件照片", "Document photograph uploaded"),
    "document-opened": ("调阅证件照片", "Document photograph opened"),
    "portrait-accepted": ("采用证件人像", "Portrait of a document accepted"),
    "portrait-refused": ("不采用证件人像", "Portrait of a document refused"),
    "register-entry": ("登记企业信息", "Enterprise entered into the register"),
    "enterprise-checked": ("比对企业四要素", "Enterprise compared with the register"),
    "enterprise-accepted": ("人工认定企业信息", "Enterprise accepted by an officer"),
    "assistance-asked": ("申请人工协助核验", "Assisted review asked for"),
    "assistance-confirmed": ("人工核验复核通过", "Assisted review confirmed"),
    "assistance-refused": ("人工核验未通过", "Assisted review refused"),
    "assistance-code-issued": ("发放人工核验码", "Assistance code handed out"),
    "assistance-used": ("人工核验完成", "Assisted review used"),
    "person-hold-placed": ("设置法律保全", "Legal hold placed on a person"),
    "person-hold-lifted": ("解除法律保全", "Legal hold on a person lifted"),
    "consent-withdrawn": ("撤回人脸信息同意", "Consent to face information withdrawn"),
    "withdrawal-received": ("受理撤回申请", "Withdrawal received by an officer"),
    "person-forgotten": ("销毁个人数据密钥", "Personal data key destroyed"),
    "second-factor-changed": ("更换动态码", "Second factor enrolled"),
    "face-lock-lifted": ("解除刷脸锁定", "Face check unlocked"),
    "contract-signed": ("签署人签名", "Signed"),
    "contract-completed": ("银行盖章并归档", "Sealed and archived by the bank"),
    "contract-voided": ("发送方撤回合同", "Withdrawn by the sender"),
    "contract-copied": ("企业下载合同", "Copied by a party"),
    "contract-renewed": ("续期存档时间戳", "Archive time stamp renewed"),
    "contract-held": ("合同法律保全", "Legal hold placed"),
    "contract-released": ("解除合同法律保全", "Legal hold lifted"),
    "contract-deleted": ("保存期满删除合同", "Deleted after retention"),
    "contract-uploaded": ("上传合同文件", "Contract uploaded"),
    "upload-accepted": ("采用上传的合同文件", "Upload accepted"),
    "upload-refused": ("退回上传的合同文件", "Upload refused"),
    "contract-declined": ("签署人拒签", "Declined"),
    "contract-expired": ("签署邀请过期", "Invitation expired"),
    "contract-verified": ("合规核验", "Verified by compliance"),
    "contract-opened": ("合规调阅", "Opened by compliance"),
    "evidence-exported": ("导出证据包", "Evidence exported"),
    "payment": ("付款指令", "Payment"),
    "payments": ("付款指令受理", "Payments taken"),
    "payment-batch": ("批量付款", "Payment batch"),
    "ledger-closed": ("日终结账", "Day closed"),
    "payment-outcome": ("清算结果", "Clearing outcome"),
    "payment-refused": ("付款被拒", "Payment refused"),
    "risk-list-changed": ("风险名单变更", "Risk list changed"),
    "clearing-message-refused": ("清算报文无法处理", "Clearing message not understood"),
    "dead-letter-replayed": ("重新投递", "Dead letter replayed"),
    "callback-address-set": ("设置回调地址", "Callback address set"),
    "payment-approved": ("复核通过付款", "Held payment approved"),
    "payment-approval-refused": ("复核拒绝付款", "Held payment refused"),
    "receipt-made": ("开具电子回单", "Receipt made"),
    "request-refused": ("接口请求被拒", "API request refused"),
    "directory-loaded": ("导入行名行号", "Bank directory loaded"),
}
SIGNATURE_FIELDS: dict[str, Label] = {
    "enterprise-legal-representative": ("企业法定代表人", "Legal representative"),
    "platform-legal-representative": ("平台法定代表人", "The platform's representative"),
    "party": ("签署方", "Party"),
    "bank-seal": ("银行印章", "The bank's seal"),
    "archive-timestamp": ("存档时间戳", "Archive time stamp"),
}

_ALL = {
    "event": EVENTS,
    "party": PARTIES,
    "upload": UPLOADS,
    "revision": REVISIONS,
    "signature_field": SIGNATURE_FIELDS,
    "product": PRODUCTS,
    "contract": CONTRACT_STATES,
    "payment": PAYMENT_STATES,
    "role": ROLES,
    "tenant_kind": TENANT_KINDS,
    "custody": CUSTODIES,
    "profile": PROFILES,
    "assurance": ASSURANCES,
    "revocation": REVOCATIONS,
    "decision": DECISIONS,
    "lock": LOCKS,
    "register_answer": REGISTER_ANSWERS,
    "assistance_method": ASSISTANCE_METHODS,
    "document_kind": DOCUMENT_KINDS,
    "assistance": ASSISTANCE_STATES,
    "scope": SCOPES,
}


def label(kind: str, word: str | None) -> Label:
    """The label of a stored word; a word that nobody named shows itself."""
    return _ALL[kind].get(word or "", (str(word or "—"), ""))


def signature_field(name: str) -> Label:
    """The label of a signature field of a contract; archive time stamps are numbered."""
    return label("signature_field", name.rstrip("0123456789").rstrip("-"))


def options(kind: str) -> list[tuple[str, str, str]]:
    """All words of a kind, as the field macro takes them."""
    return [(str(word), zh, en) for word, (zh, en) in _ALL[kind].items()]


def yuan(amount_minor: int) -> str:
    """Fen as people write yuan: 1234567 becomes 12,345.67."""
    sign, fen = ("-", -amount_minor) if amount_minor < 0 else ("", amount_minor)
    return f"{sign}{fen // 100:,}.{fen % 100:02d}"

"""Which pages each role finds in the head of every page, and on its start page with a sentence about each."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, request, url_for

from app.identity.models import Role


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the navigation: endpoint, its name, and what one does there; all in Chinese and English."""

    endpoint: str
    zh: str
    en: str
    about_zh: str = ""
    about_en: str = ""


OWN = Place("identity.account", "我的", "Me")
DECISIONS = Place(
    "operations.decisions.inbox",
    "复核",
    "Four eyes",
    "确认或驳回同事提出的事项",
    "Confirm or reject what colleagues propose",
)
DOCUMENTATION = Place(
    "portal.documentation", "接入文档", "Documentation", "令牌、报文与签名", "Tokens, messages and signatures"
)

PLACES: dict[str, tuple[Place, ...]] = {
    Role.OPERATOR: (
        Place(
            "operations.organizations.tenants",
            "机构",
            "Tenants",
            "登记银行、企业与平台",
            "Register organizations",
        ),
        Place("operations.organizations.accounts", "账户", "Accounts", "开立与停用账户", "Open and disable accounts"),
        Place("operations.persons.people", "签署人", "Signers", "法定代表人登记与比对照片", "Register, portraits"),
        Place("operations.payments.outbox", "清算", "Clearing", "待发、死信与重新投递", "What waits, dead letters"),
        Place("operations.contracts.contracts", "合同", "Contracts", "制作并发送合同", "Make and send contracts"),
        Place(
            "operations.routing.aliases", "网点别名", "Aliases", "复核平台确认的收款网点", "Review confirmed branches"
        ),
        DECISIONS,
    ),
    Role.COMPLIANCE_OFFICER: (
        Place(
            "proofing.officer.overview",
            "身份核验",
            "Proofing",
            "审核证件人像、协助核验、解除锁定",
            "Review portraits, assist, lift locks",
        ),
        Place(
            "compliance.search", "合规核验", "Compliance", "查找、核验合同并导出证据", "Find, verify, export evidence"
        ),
        DECISIONS,
    ),
    Role.CERTIFICATE_OFFICER: (
        Place("operations.certificates.certificates", "证书", "Certificates", "查找、暂停、吊销", "Find, hold, revoke"),
        Place(
            "operations.certificates.enrolments", "注册码", "Enrolment", "发放证书注册码", "Hand out enrolment codes"
        ),
        DECISIONS,
    ),
    Role.AUDITOR: (
        Place(
            "operations.journal.journal", "审计日志", "Journal", "查看并验证防篡改日志", "Read and verify the journal"
        ),
    ),
    Role.ENTERPRISE_USER: (
        Place("portal.enterprise.contracts", "合同", "Contracts", "本企业的合同", "Your contracts"),
        Place("portal.enterprise.authorizations", "授权", "Authorizations", "查看并撤销平台授权", "See and revoke"),
        Place("portal.enterprise.certificates", "产品证书", "Certificates", "查看并申请产品证书", "See and enrol"),
        Place("proofing.enterprise.representatives", "签署人", "Signers", "上传签署人证件照片", "Documents of signers"),
        Place("portal.enterprise.payments", "付款", "Payments", "付款指令与状态", "Instructions and states"),
        Place("portal.payments.approvals_page", "付款复核", "Approvals", "由另一人复核的付款", "Payments held for you"),
    ),
    Role.PLATFORM_USER: (
        Place("portal.developer.applications", "应用", "Applications", "登记与查看应用", "Register and see"),
        Place("portal.developer.certificates", "API 证书", "API certificates", "查看并申请", "See and enrol"),
        DOCUMENTATION,
    ),
}


def places_of(role: str) -> list[Place]:
    """The pages of a role that are served at this door."""
    return [place for place in PLACES[role] if place.endpoint in current_app.view_functions]


def build_navigation(role: str | None) -> list[tuple[str, str, str, bool]]:
    """(url, Chinese, English, here) for the head of a page; a stranger gets none."""
    if role is None:
        return []
    places = [*places_of(role), OWN]
    return [(url_for(p.endpoint), p.zh, p.en, _is_here(p.endpoint)) for p in places]


def _is_here(endpoint: str) -> bool:
    path, place = request.path, url_for(endpoint)
    return path == place or (place != "/" and path.startswith(place + "/"))

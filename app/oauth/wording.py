"""What a person agrees to who lets a platform act for the enterprise. A version that was ever shown is never changed."""

# ruff: noqa: E501  (a paragraph of the wording is one line, as it is shown)

from __future__ import annotations

from contracts.consent import ConsentWording


def authorization_wording() -> ConsentWording:
    """The newest wording."""
    return _WORDINGS[-1]


_WORDINGS = (
    ConsentWording(
        version="authorization-2026-1",
        text_zh="""授权声明

本人作为企业的法定代表人，已阅读本页列明的平台、应用、产品、限额和期限，同意该平台在此范围内以本企业的名义向银行提交业务请求。
每一笔业务请求还须由本企业的产品证书签名；银行按本页限额控制。
本人可以随时在“平台授权”页面撤销授权，撤销立即生效；撤销前已执行的业务不受影响。""",
        text_en="""Declaration of authorization

As the enterprise's legal representative I have read which platform, application and product, which limits and which term this page names, and agree that the platform may send requests to the bank in the name of the enterprise within them.
Every request is signed by the enterprise's product certificate as well; the bank holds the limits of this page.
I may revoke the authorization at any time under “Authorizations”; it ends at once. What was carried out before stays in force.""",
    ),
)

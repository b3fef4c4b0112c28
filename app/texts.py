"""What a person reads for an error code, in Chinese. English is the exception's own message.

Features declare the sentences of their own codes in `<feature>/problems.py` as TEXTS; here are the frame's and those of
the domain packages, which know no languages.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

_FEATURES = ("identity", "oauth", "gateway", "payments", "routing", "certificates", "signing", "compliance", "proofing")

_COMMON = {
    "bad-request": "请求无法识别，请检查后重试。",
    "invalid-input": "填写的内容有误，请按提示修改。",
    "not-authenticated": "请先登录。",
    "not-allowed": "您没有进行此操作的权限。",
    "not-found": "没有找到您要的内容。",
    "conflict": "当前状态下无法进行此操作，请刷新后查看。",
    "too-many-requests": "操作太频繁，请稍后再试。",
    "unavailable": "服务暂时繁忙，请稍后再试。",
    "internal-error": "系统出现问题，我们已记录。请稍后再试。",
    "method-not-allowed": "不支持这种请求方式。",
    "request-entity-too-large": "上传的内容太大。",
    "content-too-large": "上传的内容太大。",
    "unsupported-media-type": "不支持这种内容格式。",
}


def chinese_for(code: str, status: int = 400) -> str:
    """The sentence for a code; for an unknown code one that fits the HTTP status."""
    texts = _all_texts()
    if code in texts:
        return texts[code]
    return _COMMON["internal-error"] if status >= 500 else _COMMON["bad-request"]


@cache
def _all_texts() -> dict[str, str]:
    texts = dict(_COMMON)
    for feature in _FEATURES:
        name = f"app.{feature}.problems"
        if find_spec(name) is not None:
            texts.update(import_module(name).TEXTS)
    return texts

"""One spelling for comparison: what people type and what the directory says go through the same steps."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

DATA = Path(__file__).parent / "data"


def _read_traditional() -> dict[int, str]:
    """The project's own small table, not a general converter, so that nothing else is changed."""
    lines = (DATA / "traditional.txt").read_text(encoding="utf-8").splitlines()
    return {ord(pair[0]): pair[1] for line in lines if not line.startswith("#") for pair in line.split()}


_TO_SIMPLIFIED = _read_traditional()
_CHINA_IN_BRACKETS = re.compile(r"\((?:中国|china)\)")
_LEGAL_FORM = re.compile(r"股份有限公司|有限责任公司|有限公司|\b(?:co\.?,? ?ltd\.?|limited|ltd|corporation)(?![a-z])")
_NOT_TEXT = re.compile(r"[^0-9a-z\u3400-\u9fff]+")
_SPACE_BESIDE_CHINESE = re.compile(r"(?<![0-9a-z]) | (?![0-9a-z])")


def normalise(text: str) -> str:
    """NFKC, lower case, simplified characters; no legal forms and no punctuation; single spaces between
    Latin words.
    """
    text = unicodedata.normalize("NFKC", text).casefold().translate(_TO_SIMPLIFIED)
    text = _LEGAL_FORM.sub("", _CHINA_IN_BRACKETS.sub("", text))
    text = text.replace("'", "")
    return _SPACE_BESIDE_CHINESE.sub("", _NOT_TEXT.sub(" ", text)).strip()

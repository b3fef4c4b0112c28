"""One spelling for comparison: what people type and what the directory says go through the same steps."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

DATA = Path(__file__).parent / "data"


def read_table(name: str) -> list[str]:
    """The lines of a table in `data/` that are not comments."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


TO_SIMPLIFIED = {ord(pair[0]): pair[1] for line in read_table("traditional.txt") for pair in line.split()}
_CHINA_IN_BRACKETS = re.compile(r"\((?:中国|china)\)")
_LEGAL_FORM = re.compile(
    r"股份有限责任公司|股份有限公司|有限责任公司|有限公司|股份公司"
    r"|\b(?:co\.?,? ?ltd\.?|limited|ltd|corporation)(?![a-z])"
)
_NOT_TEXT = re.compile(r"[^0-9a-z\u3400-\u9fff]+")
_SPACE_BESIDE_CHINESE = re.compile(r"(?<![0-9a-z]) | (?![0-9a-z])")


def normalise(text: str) -> str:
    """NFKC, lower case, simplified characters; no legal forms and no punctuation; single spaces between
    Latin words.
    """
    text = unicodedata.normalize("NFKC", text).casefold().translate(TO_SIMPLIFIED)
    text = text.replace("'", "")
    if "公司" in text or "(" in text or not text.isascii():
        text = _NOT_TEXT.sub(" ", _CHINA_IN_BRACKETS.sub("", text))
        text = _SPACE_BESIDE_CHINESE.sub("", text)
        return _SPACE_BESIDE_CHINESE.sub("", _LEGAL_FORM.sub("", text)).strip()
    return " ".join(_NOT_TEXT.sub(" ", _LEGAL_FORM.sub("", text)).split())

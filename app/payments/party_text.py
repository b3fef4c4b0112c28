"""Names and purposes as people may write them, without what only a trickster writes (Unicode TR 36, UTS
39).
"""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"\s+")
# Letters of these scripts look like Latin ones; a name holds one of them or Latin, never both.
_LOOKALIKES = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")


def find_text_fault(text: str) -> str | None:
    """A stable code of what is wrong with a name or purpose, or None: invisible, unassigned or lookalike
    characters.
    """
    if unicodedata.normalize("NFC", text) != text:
        return "not-nfc"
    if text != text.strip():
        return "outer-space"
    if any(unicodedata.category(character)[0] == "C" for character in text):
        return "invisible-character"
    if any(unicodedata.category(character) in {"Zl", "Zp"} for character in text):
        return "invisible-character"
    scripts = {unicodedata.name(character, "").split(" ")[0] for character in text if character.isalpha()}
    mixed = scripts & set(_LOOKALIKES)
    if mixed and (len(mixed) > 1 or "LATIN" in scripts):
        return "mixed-scripts"
    return None


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same account holder for 户名校验: width, case and spaces aside."""
    return folded_name(one) == folded_name(other)


def folded_name(name: str) -> str:
    """A name as it is compared: width, case and spaces aside."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", name)).casefold()

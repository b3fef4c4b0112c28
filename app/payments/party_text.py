"""Names and purposes as people may write them, without what only a trickster writes (Unicode TR 36, UTS
39).
"""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"\s+")
# Letters of these scripts look like Latin ones; a name holds one of them or Latin, never both, and only Greek beside
# other scripts (β版).
_LOOKALIKES = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")
_LIKE_HAN = frozenset("エニカトタロハチ")  # 工二力卜夕口八千: alone among Han they are meant to be taken for them
# Not seen either, though letters, marks or symbols by their category (Default_Ignorable_Code_Point; Braille blank).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MOST_MARKS = 4  # one upon the other (UTS 39, 5.4)


def find_text_fault(text: str) -> str | None:
    """A stable code of what is wrong with a name or purpose, or None: invisible, unassigned or lookalike
    characters, heaps of marks.
    """
    if unicodedata.normalize("NFC", text) != text:
        return "not-nfc"
    if text != text.strip():
        return "outer-space"
    if any(unicodedata.category(character)[0] == "C" for character in text):
        return "invisible-character"
    if any(unicodedata.category(character) in {"Zl", "Zp"} for character in text):
        return "invisible-character"
    if _UNSEEN.search(text):
        return "invisible-character"
    if _has_stacked_marks(text):
        return "stacked-marks"
    return "mixed-scripts" if _is_mixed(unicodedata.normalize("NFKC", text)) else None


def _is_mixed(text: str) -> bool:
    """Whether scripts stand together that do so only to look like another name."""
    letters = [character for character in text if character.isalpha()]
    scripts = {unicodedata.name(character, "").split(" ")[0] for character in letters}
    mixed = scripts & set(_LOOKALIKES)
    if mixed and (len(mixed) > 1 or "LATIN" in scripts or (len(scripts) > 1 and "GREEK" not in mixed)):
        return True
    kana = {character for character in letters if unicodedata.name(character, "").startswith(("KATAKANA", "HIRAGANA"))}
    return "CJK" in scripts and bool(kana) and kana <= _LIKE_HAN


def _has_stacked_marks(text: str) -> bool:
    """Whether marks stand upon nothing, enclose something, or are heaped up until they hide what is beside them."""
    heap = _MOST_MARKS
    for character in text:
        category = unicodedata.category(character)
        heap = heap + 1 if category == "Mn" else 0
        if category == "Me" or heap > _MOST_MARKS:
            return True
    return False


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same account holder for 户名校验: width, case and spaces aside."""
    return one == other or folded_name(one) == folded_name(other)


def folded_name(name: str) -> str:
    """A name as it is compared: width, case and spaces aside."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", name)).casefold()

"""How Chinese sounds: one toneless pinyin syllable per character, each syllable one private-use character.

So 中山, 钟山 and `zhongshan` have the same sound, which is text like any other: it can be indexed and compared.
"""

from __future__ import annotations

from functools import lru_cache

from app.routing.normalise import read_table

_FIRST = 0xE000  # private use area of the basic plane
_TABLE = [line.split(" ") for line in read_table("pinyin.txt")]
SYLLABLES = tuple(syllable for syllable, _ in _TABLE)
_CHARACTER = {syllable: chr(_FIRST + place) for place, syllable in enumerate(SYLLABLES)}
_SOUND = {ord(char): _CHARACTER[syllable] for syllable, characters in _TABLE for char in characters}
_LONGEST = max(len(syllable) for syllable in SYLLABLES)
_TYPED = {syllable: _CHARACTER[syllable] for syllable in SYLLABLES if any(vowel in syllable for vowel in "aeiouv")}
_TYPED |= {
    syllable.replace("v", "u"): char for syllable, char in _TYPED.items() if syllable[1:] in {"v", "ve"}
} | _TYPED

# What speakers of many regions do not tell apart, and so type one for the other.
_MERGED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"), ("hu", "fu"), ("r", "n"))
_MERGED_FINALS = (("ang", "an"), ("eng", "en"), ("ing", "in"))


def _fold(syllable: str) -> str:
    for one, other in _MERGED:
        if syllable.startswith(one):
            syllable = other + syllable[len(one) :]
            break
    for one, other in _MERGED_FINALS:
        if syllable.endswith(one):
            syllable = syllable[: -len(one)] + other
            break
    return syllable


def _fold_table() -> dict[int, str]:
    representative: dict[str, str] = {}
    return {ord(_CHARACTER[s]): representative.setdefault(_fold(s), _CHARACTER[s]) for s in SYLLABLES}


_FOLDED = _fold_table()


def to_sound(text: str) -> str:
    """Every Chinese character replaced by its syllable; everything else stays. Same length."""
    return text.translate(_SOUND)


def spell(sound: str) -> str | None:
    """The letters of syllables, run together; None where there is anything but syllables."""
    return "".join(SYLLABLES[ord(each) - _FIRST] for each in sound) if all(map(is_sound, sound)) else None


def fold_sound(sound: str) -> str:
    """Syllables that are often confused (z/zh, n/l, in/ing …) made one. Same length."""
    return sound.translate(_FOLDED)


def is_sound(character: str) -> bool:
    """Whether a character stands for a syllable, and not for itself."""
    return "\ue000" <= character <= "\uf8ff"


@lru_cache(maxsize=4096)
def read_pinyin(letters: str) -> str | None:
    """Latin letters without spaces as syllables, with as few as possible; None where they are no pinyin."""
    best: list[str | None] = [""] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST), end):
            head, syllable = best[start], _TYPED.get(letters[start:end])
            if head is None or syllable is None:
                continue
            found = best[end]
            if found is None or len(head) + 1 < len(found):
                best[end] = head + syllable
    return best[-1]

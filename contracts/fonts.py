"""Which of the machine's fonts print a contract. Chinese fonts are a matter of the operating system."""

from __future__ import annotations

from functools import cache

import typst

from contracts.errors import FontMissing

SERIF_FAMILIES = (
    "Noto Serif CJK SC",
    "Noto Serif SC",
    "Source Han Serif SC",
    "Source Han Serif CN",
    "Songti SC",
    "STSong",
    "SimSun",
    "SimSun-ExtB",  # the rare characters that SimSun itself leaves out
    "AR PL UMing CN",
)
SANS_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Heiti SC",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Zen Hei",
)


@cache
def system_fonts() -> typst.Fonts:
    """The machine's fonts; searched once per process (90 ms)."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=False)


@cache
def font_choice() -> dict[str, list[str]]:
    """Installed families in order of preference, as {"serif": [...], "sans": [...]}.

    Each list ends with the other's families, so that one kind of font is enough and a rare character may
    come from whichever has it. Raises FontMissing where no Chinese font is installed.
    """
    installed = set(system_fonts().families())
    serif = [family for family in SERIF_FAMILIES if family in installed]
    sans = [family for family in SANS_FAMILIES if family in installed]
    if not serif and not sans:
        raise FontMissing(
            "no Chinese font is installed: install Noto CJK, on Debian with `apt-get install fonts-noto-cjk`"
        )
    return {"serif": serif + sans, "sans": sans + serif}

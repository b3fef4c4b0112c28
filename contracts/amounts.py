"""Amounts of money as contracts print them."""

from __future__ import annotations

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")
_LARGEST_FEN = 10**18 - 1


def format_amount(amount_minor: int) -> str:
    """Fen as yuan with thousands separators: 5000000 -> "50,000.00"."""
    sign = "-" if amount_minor < 0 else ""
    yuan, fen = divmod(abs(amount_minor), 100)
    return f"{sign}{yuan:,}.{fen:02d}"


def capital_amount(amount_minor: int) -> str:
    """Fen in the capital numerals of bills and contracts (正确填写票据和结算凭证的基本规定).

    5000000 -> "伍万元整"; 100203 -> "壹仟零贰元零叁分". Raises ValueError for negative or absurd amounts.
    """
    if not 0 <= amount_minor <= _LARGEST_FEN:
        raise ValueError(f"amount outside 0..{_LARGEST_FEN} fen")
    yuan, cents = divmod(amount_minor, 100)
    jiao, fen = divmod(cents, 10)
    text = _capital_integer(yuan) + "元" if yuan or not cents else ""
    if not cents:
        return text + "整"
    if jiao:
        text += _DIGITS[jiao] + "角"
    elif yuan:
        text += "零"
    return text + (_DIGITS[fen] + "分" if fen else "整")


def _capital_integer(number: int) -> str:
    if number == 0:
        return _DIGITS[0]
    groups: list[str] = []
    rest = number
    gap = False  # a lower group began with a zero, or was zero altogether
    for group_name in _GROUPS:
        rest, group = divmod(rest, 10_000)
        if group:
            text = _capital_group(group) + group_name
            groups.append(text + ("零" if gap and groups else ""))
            gap = group < 1000
        else:
            gap = True
        if not rest:
            break
    return "".join(reversed(groups))


def _capital_group(group: int) -> str:
    text, pending_zero = "", False
    for place in (3, 2, 1, 0):
        digit = group // 10**place % 10
        if digit:
            text += ("零" if pending_zero and text else "") + _DIGITS[digit] + _PLACES[place]
            pending_zero = False
        else:
            pending_zero = True
    return text

"""The enterprise's own rules: what its product key signs, whatever a platform asks for. Read from a TOML file.

issuer = "https://api.bank.example"      # the one bank
client_id = "app-01h…"                   # the one platform

[endpoints]
pay = ["/api/v1/payments"]               # documents that move money
read = ["/api/v1/payments/status"]       # documents that only ask

[limits]                                 # fen
single_minor = 500_000
daily_minor = 5_000_000                  # of one day in Beijing

[payees]                                 # without it every payee is allowed
accounts = ["6222000000000000021"]
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yunlian.errors import YunlianError

_BEIJING = timezone(timedelta(hours=8))
_MOST_ITEMS = 10_000


class RuleBroken(YunlianError):
    """The rules of the enterprise do not allow it."""


@dataclass(frozen=True)
class Spending:
    """What a document that moves money would spend: `name` is the enterprise's own for it, `amount_minor` fen."""

    day: str
    name: str
    digest: str
    amount_minor: int


@dataclass(frozen=True)
class Rules:
    """Rules that were read; `accounts` is None where every payee is allowed."""

    issuer: str
    client_id: str
    pay: frozenset[str]
    read: frozenset[str]
    single_minor: int
    daily_minor: int
    accounts: frozenset[str] | None = None

    def check(self, method: str, url: str, document: Mapping[str, Any], now: datetime) -> Spending | None:
        """What it would spend, None for a document that only asks. Raises RuleBroken for what is not allowed at all.

        The day's limit is for whoever keeps the day's total.
        """
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.issuer or parts.query or parts.fragment:
            raise RuleBroken("the address is not the bank's")
        if method == "POST" and parts.path in self.read:
            return None
        if method != "POST" or parts.path not in self.pay:
            raise RuleBroken(f"{method} {parts.path} is not among the endpoints of the rules")
        payments = list(_payments(document))
        if not 1 <= len(payments) <= _MOST_ITEMS:
            raise RuleBroken("the document has no amount that these rules understand")
        for amount, account in payments:
            if amount > self.single_minor:
                raise RuleBroken("a payment is above the limit of a single one")
            if self.accounts is not None and account not in self.accounts:
                raise RuleBroken("the payee is not among those of the rules")
        return Spending(
            day=now.astimezone(_BEIJING).date().isoformat(),
            name=_name_of(document),
            digest=hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest(),
            amount_minor=sum(amount for amount, _ in payments),
        )


def load_rules(values: Mapping[str, Any]) -> Rules:
    """Rules from the tables of a TOML file. Raises ValueError for what is missing, unknown or not of its kind."""
    known = {"endpoints": {"pay", "read"}, "limits": {"single_minor", "daily_minor"}, "payees": {"accounts"}}
    for table, names in known.items():
        if unknown := set(values.get(table, {})) - names:
            raise ValueError(f"[{table}] has unknown {', '.join(sorted(unknown))}")
    try:
        endpoints, limits, payees = values["endpoints"], values["limits"], values.get("payees")
        rules = Rules(
            issuer=str(values["issuer"]).rstrip("/"),
            client_id=str(values["client_id"]),
            pay=_texts(endpoints.get("pay", [])),
            read=_texts(endpoints.get("read", [])),
            single_minor=limits["single_minor"],
            daily_minor=limits["daily_minor"],
            accounts=_texts(payees["accounts"]) if payees is not None else None,
        )
    except KeyError as exc:
        raise ValueError(f"the rules lack {exc}") from exc
    for amount in (rules.single_minor, rules.daily_minor):
        if type(amount) is not int or amount < 0:
            raise ValueError("limits are whole numbers of fen")
    return rules


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raises ValueError, OSError."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _texts(values: Any) -> frozenset[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of texts is needed")
    return frozenset(values)


def _payments(value: Any) -> Iterator[tuple[int, str]]:
    """Amount and payee's account of every payment in a document, also of the items of a batch."""
    if isinstance(value, Mapping):
        if "amount_minor" in value:
            amount, payee = value["amount_minor"], value.get("payee")
            account = payee.get("account") if isinstance(payee, Mapping) else value.get("account")
            if type(amount) is not int or amount <= 0 or not isinstance(account, str):
                raise RuleBroken("a payment has no amount in fen or no payee's account")
            yield amount, account
        for member in value.values():
            yield from _payments(member)
    elif isinstance(value, list):
        for item in value:
            yield from _payments(item)


def _name_of(document: Mapping[str, Any]) -> str:
    name = document.get("instruction_id", document.get("batch_id"))
    if not isinstance(name, str) or not name:
        raise RuleBroken("the document has no instruction_id")
    return name

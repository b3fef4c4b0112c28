"""How commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import click

from app.certificates.models import CertificateRecord

as_json = click.option("--json", "in_json", is_flag=True, help="JSON for scripts")


def facts(record: CertificateRecord) -> dict[str, Any]:
    """A certificate's row as JSON members."""
    return {
        "x5t#S256": record.x5t_s256,
        "profile": record.profile,
        "issuer": record.issuer,
        "serial": record.serial,
        "subject": record.subject,
        "state": record.state,
        "not_before": record.not_before.isoformat(),
        "not_after": record.not_after.isoformat(),
        "revoked_at": record.revoked_at.isoformat() if record.revoked_at else None,
        "revocation_reason": record.revocation_reason,
    }


def show(known: Mapping[str, Any], in_json: bool) -> None:
    """One thing: a JSON object, or a line for each of its facts."""
    if in_json:
        click.echo(json.dumps(known, ensure_ascii=False, indent=1))
        return
    width = max(map(len, known))
    for name, value in known.items():
        click.echo(f"{name:{width}}  {'-' if value is None else value}")


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as they need; Chinese characters take two places."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

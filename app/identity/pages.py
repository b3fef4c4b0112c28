"""What all pages for people share: the type of a page, and the notice that the next page shows."""

from __future__ import annotations

from typing import Any, cast

from flask import flash

Page = tuple[str, int]


def notify(zh: str, en: str, kind: str = "success") -> None:
    """Show a sentence on the next page; `kind` is info, success, warning or error."""
    flash(cast(Any, (zh, en)), kind)  # the frame shows pairs; Flask itself only stores them

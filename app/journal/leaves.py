"""What a leaf says, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FORMAT = "yunlian-journal/1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. Identifiers and digests only: nothing personal, nothing secret."""

    kind: str
    subject: str
    actor: str
    body: Mapping[str, Any]

    def leaf(self, at: datetime) -> str:
        """The canonical JSON that is hashed: sorted names, no blanks, UTF-8."""
        members = {
            "format": FORMAT,
            "at": at.isoformat(timespec="microseconds"),
            "kind": self.kind,
            "subject": self.subject,
            "actor": self.actor,
            "body": dict(self.body),
        }
        return json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def columns(self, at: datetime) -> dict[str, Any]:
        """The row, with the leaf and what is searched by."""
        return {
            "at": at,
            "kind": self.kind,
            "subject": self.subject[:64],
            "actor": self.actor[:64],
            "leaf": self.leaf(at),
        }

"""What keeps a signature from being valid, raised inside validation and turned into a verdict there."""

from __future__ import annotations

from contracts.report import SubIndication


class Finding(Exception):
    """`failed` means INVALID (TOTAL-FAILED) rather than INDETERMINATE."""

    def __init__(self, sub_indication: SubIndication, explanation: str, failed: bool = False) -> None:
        super().__init__(sub_indication, explanation, failed)
        self.sub_indication = sub_indication
        self.explanation = explanation
        self.failed = failed

    def __str__(self) -> str:
        return f"{self.sub_indication}: {self.explanation}"


def failed(sub_indication: SubIndication, explanation: str) -> Finding:
    """A finding that settles the matter: the signature is not valid, and never will be."""
    return Finding(sub_indication, explanation, True)

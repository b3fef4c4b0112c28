"""What a message is refused for."""

from __future__ import annotations


class MessageRefused(Exception):
    """Bytes that are not one well-formed message of a known kind; `reason` is a stable code, `place` where it was."""

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(f"{reason} at {place}" if place else reason)
        self.reason = reason
        self.place = place

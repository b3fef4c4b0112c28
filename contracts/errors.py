"""The one error family of contracts. Errors are facts; `code` is stable and may be shown to machines.

Every class takes plain strings and numbers positionally, so that it survives pickling between processes.
"""

from __future__ import annotations

from typing import ClassVar


class ContractError(Exception):
    """Something about a contract, its ceremony or its signatures is not as it must be."""

    code: ClassVar[str] = "contract-error"


# --- making the document -------------------------------------------------------------------------------


class UnknownTemplate(ContractError):
    """No template has this name and version."""

    code = "unknown-template"


class InvalidTerms(ContractError):
    """The terms do not fit the template; `faults` holds one "JSON pointer: reason" per line."""

    code = "invalid-terms"

    def __init__(self, faults: str) -> None:
        super().__init__(faults)
        self.faults = faults.splitlines()


class FontMissing(ContractError):
    """The machine has no font that can print Chinese."""

    code = "font-missing"


class MissingGlyph(ContractError):
    """No available font can print this character; the document would show an empty box."""

    code = "missing-glyph"

    def __init__(self, character: str, text: str) -> None:
        super().__init__(character, text)
        self.character = character
        self.text = text

    def __str__(self) -> str:
        points = " ".join(f"U+{ord(c):04X}" for c in self.character)
        return f"no font can print {self.character!r} ({points}) in {self.text!r}"


class RenderingFailed(ContractError):
    """The typesetter refused, or warned (a warning is an error: what is printed must be what was meant)."""

    code = "rendering-failed"


class InvalidPlace(ContractError):
    """A signature cannot stand where it was asked for."""

    code = "invalid-place"


class UnknownWording(ContractError):
    """No consent wording has this version or language."""

    code = "unknown-wording"


# --- the ceremony --------------------------------------------------------------------------------------


class IllegalTransition(ContractError):
    """The ceremony is not in a state from which this step may be taken."""

    code = "illegal-transition"


class NotYourTurn(ContractError):
    """Parties sign in order and an earlier one has not signed yet."""

    code = "not-your-turn"


class FaceCheckStale(ContractError):
    """The face check is too old, or was made in another signing session."""

    code = "face-check-stale"


class StaleRevision(ContractError):
    """The document has another revision by now: another party signed in between."""

    code = "stale-revision"


class UnknownParty(ContractError):
    """The ceremony has no such party."""

    code = "unknown-party"


class InvalidCeremony(ContractError):
    """The stored form of a ceremony cannot be read."""

    code = "invalid-ceremony"


# --- signing -------------------------------------------------------------------------------------------


class SigningFailed(ContractError):
    """The document cannot be signed as asked (no such field, already filled, not a PDF)."""

    code = "signing-failed"


class InvalidSignature(ContractError):
    """The signature value does not verify over the signed attributes with the certificate's key."""

    code = "invalid-signature"


class TimestampFailed(ContractError):
    """The time-stamp authority gave no token, or one that does not cover what was asked for."""

    code = "timestamp-failed"


class UnsafeDocument(ContractError):
    """A PDF holds something that has no place in a document to be signed; `reason` names what."""

    code = "unsafe-document"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class BoundsExceeded(ContractError):
    """Work on a file took more time or memory than anything honest needs."""

    code = "bounds-exceeded"


class DocumentNotValid(ContractError):
    """Validation did not reach VALID."""

    code = "document-not-valid"


# --- evidence ------------------------------------------------------------------------------------------


class InvalidEvidence(ContractError):
    """A bundle does not prove what it claims; `step` names the check that failed."""

    code = "invalid-evidence"

    def __init__(self, step: str, detail: str = "") -> None:
        super().__init__(step, detail)
        self.step = step
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.step}: {self.detail}" if self.detail else self.step


class DocumentNotFound(ContractError):
    """The store holds no document with this digest."""

    code = "document-not-found"

"""What can go wrong, apart from the network (httpx.HTTPError)."""

from __future__ import annotations

from typing import Any


class YunlianError(Exception):
    """Base of the errors of this package."""


class OAuthRefused(YunlianError):
    """The authorization server refused (RFC 6749 §5.2, §4.1.2.1)."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error
        self.description = description


class Refused(YunlianError):
    """The gateway refused, in a signed problem document (RFC 9457); `code` is the last part of its type."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("type", "")).removeprefix("urn:yunlian:problem:")
        told = f"{status} {self.code}: {problem.get('detail', '')}".rstrip(": ")
        faults = [f"{fault.get('pointer', '')} {fault.get('reason', '')}" for fault in problem.get("faults", ())]
        super().__init__("; ".join([told, *faults]))


class AnswerNotTrusted(YunlianError):
    """The answer is not signed by the bank, or not for this request. Treat its content as unknown."""

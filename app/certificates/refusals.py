"""A refusal is a line of the journal too, in a transaction of its own: the refused one was rolled back.

What strangers send without any credential is written down in bounded number (`app.journal.strangers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.certificates.enrolment import UnknownEnrolmentCode
from app.journal.strangers import Strangers
from app.problems import Problem, Unavailable
from pki.errors import PkiError

if TYPE_CHECKING:
    from app.wiring import Services


@contextmanager
def journal_refusals(
    services: Services, kind: str, *, actor: str, subject: str = "", strangers: Strangers | None = None
) -> Iterator[None]:
    """Around a transaction: what it refuses is journaled as `<kind>-refused` with the reason's code, and raised on.

    Where nobody has logged in, `strangers` counts the enrolment codes that were never handed out.
    """
    try:
        yield
    except Unavailable:
        raise
    except (Problem, PkiError) as refusal:
        body = {"code": refusal.code}
        if strangers is not None and isinstance(refusal, UnknownEnrolmentCode):
            strangers.note(services, f"{kind}-refused", subject=subject or actor, facts=body)
            raise
        with services.transaction() as session:
            services.journal.append(session, f"{kind}-refused", subject=subject or actor, actor=actor, body=body)
        raise


class MalformedRequests:
    """Counts the malformed requests of strangers, and journals them now and then."""

    def __init__(self) -> None:
        self._strangers = Strangers()

    def note(self, services: Services, kind: str) -> None:
        """One more malformed request of this kind ("ocsp", "timestamp", "cosignature")."""
        self._strangers.note(services, "malformed-request", subject=kind)

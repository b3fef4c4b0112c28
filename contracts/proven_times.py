"""Chains and revocation of all signatures of a file, each as of the time at which it is proven to have existed.

Newest first, as ETSI EN 319 102-1 §5.6.3 asks for: a document time stamp that is good as of the time known so far
proves that everything before it existed at its own time, for which then the next older one is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver

from contracts.chains import ChainContext
from contracts.changes import Changes
from contracts.findings import Finding
from contracts.opened import Opened
from contracts.report import ChainLink, Level, RevocationSource, SubIndication, Verdict
from contracts.signed_data import OpenedSignedData
from pki.path import Purpose

CLOCK_TOLERANCE = timedelta(seconds=2)
"""How much later than the time known so far a time stamp may be: two authorities' clocks differ."""


@dataclass(frozen=True, slots=True)
class ProvenTimes:
    """Judges the signatures of one file; what is found stands in their entries."""

    chains: ChainContext
    changes: Changes
    signatures: Sequence[Opened]

    def judge(self, known_at: datetime) -> None:
        """`known_at`: when the file is known to have existed (aware UTC)."""
        archived = False
        earlier = self._earlier_stamps()
        self._add_revocation_data(known_at)
        for index in range(len(self.signatures) - 1, -1, -1):
            opened = self.signatures[index]
            not_before = earlier[index]
            if opened.is_stamp:
                opened.guard(self._judge_document_stamp, known_at, not_before)
                stamped_at = opened.entry.stamped_at
                if opened.entry.verdict is Verdict.VALID and stamped_at is not None:
                    known_at, archived = min(known_at, stamped_at), True
                    self._prove_revocation_data(opened.signature.signed_revision, known_at)
            else:
                opened.guard(self._judge_signature, known_at, not_before, archived)

    def _judge_document_stamp(self, opened: Opened, known_at: datetime, not_before: datetime | None) -> None:
        assert opened.data is not None
        assert opened.certificate is not None
        self._check_stamp_time(opened.entry.stamped_at, known_at)
        chain = self._chain(opened.data, opened.certificate, Purpose.TSA, known_at, not_before)
        opened.entry = replace(opened.entry, chain=chain, proven_at=known_at)

    def _judge_signature(self, opened: Opened, known_at: datetime, not_before: datetime | None, archived: bool) -> None:
        assert opened.data is not None
        assert opened.certificate is not None
        proven_at, stamp_chain = known_at, tuple[ChainLink, ...]()
        if opened.token is not None:
            assert opened.stamper is not None
            self._check_stamp_time(opened.entry.stamped_at, known_at)
            stamp_chain = self._chain(opened.token, opened.stamper, Purpose.TSA, known_at, not_before)
            proven_at = min(known_at, opened.entry.stamped_at or known_at)
            opened.entry = replace(opened.entry, level=Level.T)
        purpose = Purpose.SEAL if opened.entry.binding is None else Purpose.SIGNER
        opened.entry = replace(opened.entry, proven_at=proven_at)
        chain = self._chain(opened.data, opened.certificate, purpose, proven_at, not_before)
        opened.entry = replace(opened.entry, chain=chain)
        if opened.token is not None and all(map(_outlives_its_source, (*chain, *stamp_chain))):
            opened.entry = replace(opened.entry, level=Level.LTA if archived else Level.LT)

    def _chain(
        self,
        data: OpenedSignedData,
        certificate: x509.Certificate,
        purpose: Purpose,
        at: datetime,
        not_before: datetime | None,
    ) -> tuple[ChainLink, ...]:
        crls, responses = data.revocation_archive()
        if crls or responses or data.crls:
            self.chains.data.add((*crls, *data.crls), responses, at, embedded=True)
        return self.chains.judge(certificate, data.certificates, purpose, at, not_before)

    def _check_stamp_time(self, stamped_at: datetime | None, known_at: datetime) -> None:
        if stamped_at is None or stamped_at > known_at + CLOCK_TOLERANCE:
            raise Finding(SubIndication.TIMESTAMP_ORDER_FAILURE, "the time stamp is from the future")

    def _earlier_stamps(self) -> list[datetime | None]:
        """For each signature the latest time stamp among what it covers: it was made after that."""
        latest, found = None, list[datetime | None]()
        for opened in self.signatures:
            found.append(latest)
            stamped_at = opened.entry.stamped_at
            if opened.entry.verdict is Verdict.VALID and stamped_at is not None:
                latest = stamped_at if latest is None else max(latest, stamped_at)
        return found

    def _add_revocation_data(self, known_at: datetime) -> None:
        crls, responses = stored_revocation(self.changes.revision(self.changes.last))
        self.chains.data.add(crls, responses, known_at, embedded=True)

    def _prove_revocation_data(self, revision: int, known_at: datetime) -> None:
        """A document time stamp proves that the data in the revision before it existed at its time."""
        crls, responses = stored_revocation(self.changes.revision(revision))
        self.chains.data.prove({*crls, *responses}, known_at)


def _outlives_its_source(link: ChainLink) -> bool:
    return link.source is RevocationSource.NOT_NEEDED or link.embedded


def stored_revocation(revision: HistoricalResolver) -> tuple[list[bytes], list[bytes]]:
    """CRLs and OCSP responses (DER) of a revision's document security store (ISO 32000-2 §12.8.4.3)."""
    store = revision.root["/DSS"] if "/DSS" in revision.root else {}  # noqa: SIM401 - follows references
    found: dict[str, list[bytes]] = {"/CRLs": [], "/OCSPs": []}
    for key, streams in found.items():
        for item in store[key] if key in store else ():  # noqa: SIM401
            stream = item.get_object()
            if isinstance(stream, generic.StreamObject):
                streams.append(bytes(stream.data))
    return found["/CRLs"], found["/OCSPs"]

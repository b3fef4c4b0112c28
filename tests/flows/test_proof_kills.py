"""Completed means completed: processes killed at any statement lose no ceremony, sign none twice and leave none stuck.

Real processes receive a real SIGKILL before or after a statement of the database or a document's storing that
chance picks. Enterprises, platforms and the jobs are processes of their own, so that parties also overtake each other.
YUNLIAN_PROOF=full runs 1,000 ceremonies.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess

import pytest
from sqlalchemy import select

from app.demonstration import AGREEMENT_TERMS
from app.journal import JournalEntry
from app.settings import Settings
from app.signing import service
from app.signing.integrity import check_store
from app.signing.models import Contract, Signature
from app.wiring import Services
from contracts import ceremony as rules
from contracts.ceremony import CeremonyState, SigningOrder
from contracts.report import Verdict
from contracts.validation import validate
from tests.flows import mortal
from tests.flows.ceremony import LAST6, PLATFORM_LAST6, register_parties, register_platform

FULL = os.environ.get("YUNLIAN_PROOF") == "full"
CEREMONIES = 1000 if FULL else 8
LONGEST_LIFE = 800 if FULL else 400  # statements after which a process is dead at the latest


def run_to_the_end(settings: Settings, works: list[tuple[Callable[..., None], tuple[object, ...]]]) -> int:
    """Start every process again until it came to its end; how often one was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([mortal.__name__])
    kills, seed = 0, 0
    running: dict[int, ForkServerProcess] = {}
    waiting = set(range(len(works)))
    while waiting or running:
        for number in sorted(waiting):
            seed += 1
            work, arguments = works[number]
            running[number] = context.Process(target=work, args=(settings, seed, LONGEST_LIFE, *arguments))
            running[number].start()
        waiting.clear()
        wait([process.sentinel for process in running.values()])
        for number, process in list(running.items()):
            if process.exitcode is None:
                continue
            assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
            del running[number]
            if process.exitcode:
                kills += 1
                waiting.add(number)
    return kills


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
def test_proof_no_ceremony_is_lost_stuck_or_signed_twice(services: Services) -> None:
    _, enterprise = register_parties(services)
    platform = register_platform(services)
    links: dict[str, dict[str, str]] = {"enterprise": {}, "platform": {}}
    for _ in range(CEREMONIES):
        contract = service.create_contract(
            services,
            signers={"enterprise": enterprise, "platform": platform},
            template="product-service-agreement",
            terms=AGREEMENT_TERMS | {"start_date": "2026-11-22", "end_date": "2027-11-22"},
            order=SigningOrder.PARALLEL,
            actor="test",
        )
        with services.transaction() as session:
            for party, link in service.send(services, session, contract_id=contract.id, actor="test").items():
                links[party][contract.id] = link
    kills = run_to_the_end(
        services.settings,
        [
            (mortal.sign_all, (links["enterprise"], "enterprise", LAST6)),
            (mortal.sign_all, (links["platform"], "platform", PLATFORM_LAST6)),
            (mortal.deliver_all, (CEREMONIES,)),
        ],
    )
    assert kills >= CEREMONIES // 4, "too few were killed to prove anything"
    services.journal.seal()
    with services.reading() as session:
        contracts = session.scalars(select(Contract)).all()
        signatures = Counter((s.contract_id, s.party_id) for s in session.scalars(select(Signature)))
        entries = session.execute(select(JournalEntry.kind, JournalEntry.subject, JournalEntry.leaf)).all()
        assert services.journal.verify(session).whole
    assert len(contracts) == CEREMONIES
    assert {contract.state for contract in contracts} == {CeremonyState.COMPLETED}
    assert all(contract.delivered_at is not None for contract in contracts)
    assert signatures == {(c.id, party): 1 for c in contracts for party in links}
    signed = Counter((s, json.loads(leaf)["body"]["party"]) for kind, s, leaf in entries if kind == "contract-signed")
    assert signed == signatures
    assert Counter(s for kind, s, _ in entries if kind == "contract-completed") == {c.id: 1 for c in contracts}
    later = services.clock() + timedelta(days=1)  # the jobs' clock went on
    for contract in contracts:
        report = validate(services.documents.get(contract.current_sha256), services.hierarchy.trust, later)
        assert (report.verdict, len(report.signatures), report.unsigned_fields) == (Verdict.VALID, 4, ())
        assert len(rules.from_dict(contract.ceremony).revisions) == 3
    assert check_store(services).whole
    unknown = len(check_store(services).unknown)
    sys.stdout.write(f"{CEREMONIES} ceremonies, {kills} processes killed, {unknown} documents orphaned\n")

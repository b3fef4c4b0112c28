"""The journal: leaves in the caller's transaction, places in batches, proofs, and every kind of tampering found."""

# ruff: noqa: S608 - the statements are those of the tests
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.certificates.problems import CosignatureRefused
from app.journal import JournalReport, audit, witnesses
from app.problems import InvalidInput, NotFound
from app.wiring import Services
from pki.checkpoint import cosign_checkpoint, verify_checkpoint, verify_cosignature
from pki.errors import InvalidCheckpoint, InvalidProof
from pki.translog import Checkpoint, leaf_hash, sign_checkpoint, verify_consistency, verify_inclusion


def write(services: Services, count: int, kind: str = "tested") -> None:
    with services.transaction() as session:
        for number in range(count):
            services.journal.append(session, kind, subject=f"{kind}-{number}", actor="test", body={"number": number})


def verified(services: Services, *against: bytes) -> JournalReport:
    with services.reading() as session:
        return services.journal.verify(session, against)


def newest(services: Services) -> bytes:
    with services.reading() as session:
        note = services.journal.newest_checkpoint(session)
    assert note is not None
    return note.encode()


def log_key(services: Services) -> Ed25519PublicKey:
    key = services.hierarchy.log.key.public_key()
    assert isinstance(key, Ed25519PublicKey)
    return key


@contextmanager
def tampering(services: Services) -> Iterator[Session]:
    """What somebody with the database's owner password can do: switch the guards off first."""
    with services.transaction() as session:
        if session.get_bind().dialect.name == "sqlite":
            names = session.scalars(text("SELECT name FROM sqlite_master WHERE type='trigger'")).all()
            for name in names:
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        yield session


@pytest.fixture
def sealed(services: Services) -> Services:
    """A journal with several heads."""
    for kind in ("first", "second", "third"):
        write(services, 7, kind)
        services.journal.seal()
    return services


def test_a_leaf_shares_the_fate_of_its_transaction(services: Services) -> None:
    def lose() -> None:
        with services.transaction() as session:
            services.journal.append(session, "lost", subject="s", actor="a", body={})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()

    with services.reading() as session:
        assert not services.journal.entries(session, text="lost")


def test_sealing_places_everything_and_nothing_twice(services: Services) -> None:
    write(services, 10)
    before = verified(services)
    assert before.waiting >= 10

    assert services.journal.seal() == before.waiting
    assert services.journal.seal() == 0
    after = verified(services)
    assert (after.size, after.waiting, after.faults) == (before.waiting, 0, ())


def test_every_entry_is_proved_by_the_newest_head(sealed: Services) -> None:
    checkpoint = verify_checkpoint(newest(sealed), log_key(sealed), sealed.journal.origin)
    for kind in ("first", "second", "third"):
        for number in range(7):
            with sealed.reading() as session:
                proof = sealed.journal.prove(session, kind, f"{kind}-{number}")
            leaf = leaf_hash(proof.leaf.encode())
            verify_inclusion(leaf, proof.index, checkpoint.size, proof.proof, checkpoint.root)
            assert json.loads(proof.leaf)["body"] == {"number": number}
    assert set(proof.to_json()) == {"leaf", "index", "inclusion_proof", "checkpoint"}


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_verification_streams(sealed: Services, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "CHUNK", chunk)
    kept = newest(sealed)
    assert verified(sealed, kept).whole
    with tampering(sealed) as session:
        session.execute(text("UPDATE journal_entries SET leaf = replace(leaf, 'test', 'tset') WHERE kind = 'second'"))
        session.execute(text("DELETE FROM journal_nodes WHERE level = 0 AND position = 3"))
    faults = verified(sealed).faults
    assert any("is not that of the leaves" in fault for fault in faults)
    assert any("nodes of level 0" in fault for fault in faults)


def test_a_waiting_entry_has_no_proof_yet(sealed: Services) -> None:
    write(sealed, 1, "waiting")
    with pytest.raises(NotFound), sealed.reading() as session:
        sealed.journal.prove(session, "waiting", "waiting-0")


def test_heads_are_consistent(services: Services) -> None:
    heads = []
    for _ in range(4):
        write(services, 5)
        services.journal.seal()
        heads.append(verify_checkpoint(newest(services), log_key(services), services.journal.origin))
    with services.reading() as session:
        for old in heads:
            proof = services.journal.consistency(session, old.size, heads[-1].size)
            verify_consistency(old.size, old.root, heads[-1].size, heads[-1].root, proof)
        with pytest.raises(InvalidProof):
            services.journal.consistency(session, 1, heads[-1].size + 1)


Tampering = Callable[[Session], object]
_LEAF = "(SELECT max(leaf_index) FROM journal_entries) - 9"


def _sql(*statements: str) -> Tampering:
    return lambda session: [session.execute(text(statement)) for statement in statements]


@pytest.mark.parametrize(
    ("tampering_with", "fault"),
    [
        pytest.param(_sql(f"DELETE FROM journal_entries WHERE leaf_index = {_LEAF}"), "is missing", id="deleted row"),
        pytest.param(
            _sql(f"UPDATE journal_entries SET leaf = replace(leaf, 'test', 'tset') WHERE leaf_index = {_LEAF}"),
            "is not that of the leaves",
            id="changed leaf",
        ),
        pytest.param(
            _sql(f"UPDATE journal_entries SET kind = 'innocent' WHERE leaf_index = {_LEAF}"),
            "contradicts its row",
            id="changed column",
        ),
        pytest.param(
            _sql(f"UPDATE journal_entries SET actor = 'nobody' WHERE leaf_index = {_LEAF}"),
            "contradicts its row",
            id="changed actor",
        ),
        pytest.param(
            _sql("UPDATE journal_heads SET note = replace(note, 'journal', 'jounral')"),
            "signature of the head",
            id="changed note",
        ),
        pytest.param(_sql("DELETE FROM journal_heads"), "", id="heads deleted"),
        pytest.param(
            _sql("DELETE FROM journal_nodes WHERE level = 1 AND position = 0"), "nodes of level 1", id="deleted node"
        ),
        pytest.param(
            _sql("DELETE FROM journal_entries WHERE leaf_index = (SELECT max(leaf_index) FROM journal_entries)"),
            "has lost some",
            id="last row deleted",
        ),
        pytest.param(
            _sql(f"UPDATE journal_entries SET leaf = '{{' WHERE leaf_index = {_LEAF}"), "cannot be read", id="no JSON"
        ),
    ],
)
def test_tampering_is_found(sealed: Services, tampering_with: Tampering, fault: str) -> None:
    kept = newest(sealed)
    with tampering(sealed) as session:
        tampering_with(session)

    report = verified(sealed)
    if fault:
        assert any(fault in found for found in report.faults), report.faults
    else:  # whoever deletes all heads leaves no contradiction within; a head kept outside still must fit
        assert verified(sealed, kept).whole


def test_a_backdated_entry_is_found(sealed: Services, clock: object) -> None:
    now = clock.now  # type: ignore[attr-defined]
    clock.now = now - timedelta(hours=2)  # type: ignore[attr-defined]
    write(sealed, 1, "backdated")
    clock.now = now  # type: ignore[attr-defined]
    sealed.journal.seal()

    assert any("is backdated" in fault for fault in verified(sealed).faults)


def test_times_may_lag_by_a_transaction(sealed: Services, clock: object) -> None:
    clock.advance(timedelta(minutes=-2))  # type: ignore[attr-defined]
    write(sealed, 1, "slow")
    sealed.journal.seal()

    assert verified(sealed).whole


def test_an_entry_of_the_future_is_found(sealed: Services, clock: object) -> None:
    clock.advance(timedelta(hours=2))  # type: ignore[attr-defined]
    write(sealed, 1, "postdated")
    sealed.journal.seal()
    clock.advance(timedelta(hours=-2))  # type: ignore[attr-defined]

    assert any("of the future" in fault for fault in verified(sealed).faults)


def test_a_rewritten_log_contradicts_a_kept_checkpoint(sealed: Services) -> None:
    """The bank itself, with its log key, forks: leaves, nodes and heads fit together, but not with what others hold."""
    kept = newest(sealed)
    with tampering(sealed) as session:
        for table in ("journal_cosignatures", "journal_heads", "journal_nodes", "journal_lock"):
            session.execute(text(f"DELETE FROM {table}"))
        session.execute(text("DELETE FROM journal_entries WHERE subject = 'second-3'"))
        session.execute(text("UPDATE journal_entries SET leaf_index = NULL"))
    sealed.journal.seal()

    assert verified(sealed).whole
    assert any("forked" in fault for fault in verified(sealed, kept).faults)
    write(sealed, 3)
    sealed.journal.seal()  # grown over the kept size again
    assert any("another root" in fault for fault in verified(sealed, kept).faults)


def test_kept_checkpoints_of_this_log_fit(sealed: Services) -> None:
    kept = newest(sealed)
    write(sealed, 5)
    sealed.journal.seal()

    assert verified(sealed, kept, newest(sealed)).whole
    foreign = sign_checkpoint(Checkpoint("another/log", 3, bytes(32)), Ed25519PrivateKey.generate(), "another/log")
    assert not verified(sealed, foreign).whole
    assert not verified(sealed, b"no note").whole


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM journal_entries WHERE leaf_index = 0",
        "UPDATE journal_entries SET leaf = '{}' WHERE leaf_index = 0",
        "UPDATE journal_entries SET leaf_index = NULL WHERE leaf_index = 0",
        "UPDATE journal_entries SET leaf = '{}' WHERE leaf_index IS NULL",
        "DELETE FROM journal_entries WHERE leaf_index IS NULL",
    ],
)
def test_the_database_refuses_changes(sealed: Services, statement: str) -> None:
    write(sealed, 1, "waiting")
    with pytest.raises(DatabaseError, match="append-only"), sealed.transaction() as session:
        session.execute(text(statement))


# --- witnesses ------------------------------------------------------------------------------------------------------


@pytest.fixture
def witness(sealed: Services) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    with sealed.transaction() as session:
        witnesses.add_witness(sealed, session, "w.example", key.public_key().public_bytes_raw(), "test")
    return key


def test_a_cosignature_stays_with_its_head(sealed: Services, witness: Ed25519PrivateKey) -> None:
    note = cosign_checkpoint(newest(sealed), witness, "w.example", sealed.clock())
    with sealed.transaction() as session:
        assert sealed.journal.add_cosignature(session, note) == "w.example"
        sealed.journal.add_cosignature(session, note)  # again, harmless

    assert newest(sealed) == note
    assert verify_cosignature(newest(sealed), witness.public_key(), "w.example") == sealed.clock()
    with sealed.reading() as session:
        assert sealed.journal.prove(session, "first", "first-0").checkpoint.encode() == note
        assert sealed.journal.newest_witnessed(session) == note.decode()
    assert verified(sealed).whole


def test_a_false_cosignature_is_refused(sealed: Services, witness: Ed25519PrivateKey) -> None:
    stranger = Ed25519PrivateKey.generate()
    head = newest(sealed)
    with pytest.raises(CosignatureRefused), sealed.transaction() as session:
        sealed.journal.add_cosignature(session, cosign_checkpoint(head, stranger, "x.example", sealed.clock()))
    with pytest.raises((CosignatureRefused, InvalidCheckpoint)), sealed.transaction() as session:
        sealed.journal.add_cosignature(session, cosign_checkpoint(head, stranger, "w.example", sealed.clock()))
    with pytest.raises(CosignatureRefused), sealed.transaction() as session:
        sealed.journal.add_cosignature(session, head)
    with pytest.raises(InvalidCheckpoint), sealed.transaction() as session:
        sealed.journal.add_cosignature(session, b"no note")


def test_a_changed_cosignature_is_found(sealed: Services, witness: Ed25519PrivateKey) -> None:
    note = cosign_checkpoint(newest(sealed), witness, "w.example", sealed.clock())
    with sealed.transaction() as session:
        sealed.journal.add_cosignature(session, note)
    with tampering(sealed) as session:
        session.execute(text("UPDATE journal_cosignatures SET line = replace(line, 'w.example', 'v.example')"))

    assert any("cosignature of w.example" in fault for fault in verified(sealed).faults)


def test_a_witness_has_one_key_for_ever(sealed: Services, witness: Ed25519PrivateKey) -> None:
    for name, key in (("w.example", bytes(32)), ("two words", bytes(32)), ("short.example", bytes(31))):
        with pytest.raises(InvalidInput), sealed.transaction() as session:
            witnesses.add_witness(sealed, session, name, key, "test")

"""The witness's program against a running door: it cosigns what continues, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from app.journal import witnesses
from app.wiring import Services
from clients.witness.__main__ import FAILED, FORKED, main
from clients.witness.folder import WitnessFolder
from pki.checkpoint import verify_cosignature

NAME = "w.example"


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    made = make_server("localhost", 0, app, threaded=True)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{made.server_port}/pki"
    made.shutdown()
    thread.join()


@pytest.fixture
def folder(services: Services, server: str, tmp_path: Path) -> Path:
    log = tmp_path / "log.pem"
    log.write_bytes(services.hierarchy.log.certificate.public_bytes(Encoding.PEM))
    path = tmp_path / "witness"
    assert main(["init", str(path), "--name", NAME, "--url", server, "--log-certificate", str(log)]) == 0
    return path


def introduce(services: Services, folder: Path) -> None:
    key = WitnessFolder.open(folder).key.public_key().public_bytes_raw()
    with services.transaction() as session:
        witnesses.add_witness(services, session, NAME, key, "test")


def write(services: Services, count: int = 3, subject: str = "true") -> None:
    with services.transaction() as session:
        for number in range(count):
            services.journal.append(session, "tested", subject=f"{subject}-{number}", actor="test", body={})
    services.journal.seal()


def rewrite(services: Services) -> None:
    """What only the owner of database and log key can do: another history."""
    with services.transaction() as session:
        if session.get_bind().dialect.name == "sqlite":
            for name in session.scalars(text("SELECT name FROM sqlite_master WHERE type='trigger'")).all():
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("journal_cosignatures", "journal_heads", "journal_nodes", "journal_lock"):
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of ours
        session.execute(text("DELETE FROM journal_entries WHERE kind = 'tested'"))
        session.execute(text("UPDATE journal_entries SET leaf_index = NULL"))


def test_heads_that_continue_are_cosigned(services: Services, folder: Path) -> None:
    introduce(services, folder)
    for _ in range(3):
        write(services)
        assert main(["once", str(folder)]) == 0

    with services.reading() as session:
        note = services.journal.newest_checkpoint(session)
        assert note is not None
        key = WitnessFolder.open(folder).key.public_key()
        verify_cosignature(note.encode(), key, NAME)
        assert services.journal.newest_witnessed(session) == note
        kept = (folder / "newest.note").read_bytes()
        assert services.journal.verify(session, [kept]).whole
    assert main(["once", str(folder)]) == 0  # the same head again, harmless


@pytest.mark.parametrize("more", [0, 20])
def test_another_history_is_not_cosigned(
    services: Services, folder: Path, more: int, capsys: pytest.CaptureFixture[str]
) -> None:
    introduce(services, folder)
    write(services)
    assert main(["once", str(folder)]) == 0
    rewrite(services)
    write(services, more, "false")
    services.journal.seal()

    assert main(["once", str(folder)]) == FORKED

    assert "FORK" in capsys.readouterr().out
    [fork] = (folder / "forks").iterdir()
    notes = [(fork / name).read_bytes() for name in ("cosigned.note", "refused.note")]
    assert all(WitnessFolder.open(folder).read_head(note) for note in notes)  # the log signed both: proof for anybody
    with services.reading() as session:
        assert not services.journal.verify(session, [notes[0]]).whole


def test_another_origin_is_a_fork(services: Services, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    introduce(services, folder)
    write(services)
    assert main(["once", str(folder)]) == 0
    cosigned = (folder / "newest.note").read_bytes()
    rewrite(services)
    write(replace(services, settings=replace(services.settings, issuer_url="https://other.example")), 20)

    assert main(["once", str(folder)]) == FORKED

    assert "other.example" in capsys.readouterr().out
    [fork] = (folder / "forks").iterdir()
    assert b"other.example" in (fork / "refused.note").read_bytes()
    assert (fork / "cosigned.note").read_bytes() == (folder / "newest.note").read_bytes() == cosigned


def test_a_head_that_is_gone_is_a_failure(services: Services, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    introduce(services, folder)
    write(services)
    assert main(["once", str(folder)]) == 0
    rewrite(services)

    assert main(["once", str(folder)]) == FORKED

    assert "GONE" in capsys.readouterr().out


def test_a_witness_that_the_bank_does_not_know(services: Services, folder: Path) -> None:
    write(services)
    assert main(["once", str(folder)]) == FAILED


def test_no_head_and_no_door(services: Services, folder: Path, tmp_path: Path) -> None:
    assert main(["once", str(folder)]) == 0
    log = tmp_path / "log.pem"
    away = tmp_path / "away"
    main(["init", str(away), "--name", NAME, "--url", "http://localhost:9/pki", "--log-certificate", str(log)])
    assert main(["once", str(away)]) == FAILED


def test_a_key_is_never_replaced(services: Services, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        main(["init", str(folder), "--name", NAME, "--url", "http://x", "--log-certificate", str(tmp_path / "log.pem")])
    assert (folder / "witness.key").stat().st_mode & 0o077 == 0

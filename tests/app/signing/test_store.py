"""The store is checked against what the database names, and plain files are sealed where they lie."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from flask import Flask

from app.signing.documents import SealedDocumentStore
from app.signing.integrity import check_store
from app.wiring import Services
from tests.app.signing.conftest import Archive


def path_of(services: Services, sha256: str) -> Path:
    return services.settings.var / "documents" / sha256[:2] / sha256


def test_what_is_missing_damaged_or_unknown_is_named(archive: Archive, services: Services, app: Flask) -> None:
    contract = archive.contract(archive.add_contract())
    run = app.test_cli_runner().invoke
    whole = run(args=["contracts", "check-store"])
    assert (whole.exit_code, whole.output) == (0, "3 good, 0 missing, 0 damaged\n")
    stray = services.documents.put(b"stored by somebody who was killed")
    assert run(args=["contracts", "check-store"]).exit_code == 0
    path_of(services, contract.prepared_sha256).unlink()
    damaged = bytearray(path_of(services, contract.current_sha256).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path_of(services, contract.current_sha256).write_bytes(damaged)
    report = check_store(services)
    assert (report.good, report.missing) == (1, (contract.prepared_sha256,))
    assert (report.damaged, report.unknown) == ((contract.current_sha256,), (stray,))
    told = run(args=["contracts", "check-store"])
    assert told.exit_code == 1
    assert contract.current_sha256 in told.output


def test_plain_files_are_sealed_where_they_lie(services: Services, app: Flask) -> None:
    contents = [b"%PDF-1.7 from an earlier store", b"", b"%PDF-1.7 another"]
    names = [hashlib.sha256(content).hexdigest() for content in contents]
    for name, content in zip(names, contents, strict=True):
        path_of(services, name).parent.mkdir(parents=True, exist_ok=True)
        path_of(services, name).write_bytes(content)
    sealed = services.documents.put(b"sealed already")
    before = path_of(services, sealed).read_bytes()
    run = app.test_cli_runner().invoke
    assert run(args=["contracts", "seal-store"]).output == "3 sealed\n"
    assert run(args=["contracts", "seal-store"]).output == "0 sealed\n"
    assert [services.documents.get(name) for name in names] == contents
    assert all(b"PDF" not in path_of(services, name).read_bytes() for name in names)
    assert path_of(services, sealed).read_bytes() == before


def test_deleting_twice_is_harmless_and_writers_that_were_killed_leave_nothing_for_long(tmp_path: Path) -> None:
    store = SealedDocumentStore(tmp_path, bytes(32))
    name = store.put(b"content")
    left = tmp_path / name[:2] / f"{name}.0badcafe"
    left.write_bytes(b"half")
    os.utime(left, (1000, 1000))
    assert list(store.names()) == [name]
    assert store.sweep(older_than=2000) == 1
    store.delete(name)
    store.delete(name)
    assert list(store.names()) == []

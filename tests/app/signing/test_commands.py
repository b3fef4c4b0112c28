"""`flask contracts verify` says by words, JSON and status what a file is worth."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from app.wiring import Services
from tests.app.signing.conftest import Archive


def test_files_are_verified_with_a_status_for_scripts(
    archive: Archive, services: Services, app: Flask, tmp_path: Path
) -> None:
    contract = archive.contract(archive.add_contract())
    good, changed, unsigned = (tmp_path / f"{name}.pdf" for name in ("good", "changed", "unsigned"))
    pdf = services.documents.get(contract.current_sha256)
    good.write_bytes(pdf)
    flipped = bytearray(pdf)
    flipped[len(pdf) // 3] ^= 1
    changed.write_bytes(flipped)
    unsigned.write_bytes(services.documents.get(contract.prepared_sha256))
    root, other = tmp_path / "root.pem", tmp_path / "other.pem"
    root.write_bytes(services.hierarchy.root.public_bytes(Encoding.PEM))
    other.write_bytes(services.hierarchy.log.certificate.public_bytes(Encoding.PEM))

    def verify(*arguments: str | Path) -> tuple[int, str]:
        done = app.test_cli_runner().invoke(args=["contracts", "verify", *map(str, arguments)])
        return done.exit_code, done.output

    assert verify(good)[0] == 0
    assert verify(good)[1].startswith("VALID")
    assert verify(changed)[0] == 1
    assert verify(unsigned)[0] == 3
    status, printed = verify("--json", good, changed, unsigned)
    reports = [json.loads(line) for line in printed.splitlines()]
    assert status == 1
    assert [report["verdict"] for report in reports] == ["VALID", "INVALID", "INDETERMINATE"]
    # The root alone is enough: the file carries what else it takes.
    assert verify("--trust", root, "--at", "2026-11-22T04:00:00", good)[0] == 0
    assert verify("--trust", other, good)[0] != 0
    assert verify("--trust", good, good)[0] == 2
    assert verify(tmp_path / "missing.pdf")[0] == 2

"""kill -9 in the middle of an issue: the certificate with its row, key and journal line, or nothing of it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.wiring import Services
from tests.app.certificates.helpers import assert_rows_and_journal_agree

ROUNDS = 60 if os.environ.get("YUNLIAN_PROOF") == "full" else 4
ROOT = Path(__file__).parents[3]

# Enrols pairs without end; prints a line when it begins, and one after each commit.
WORKER = """
import sys
from datetime import datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from app.certificates import service
from app.settings import RunProfile, Settings
from app.wiring import build_services
from tests.app.certificates.helpers import csr, product_code
services = build_services(Settings(
    profile=RunProfile.TEST, var=Path(sys.argv[2]), database_url=sys.argv[3], secret_key="a secret of the tests only",
    data_key=bytes(range(32)), keystore_passphrase=b"a passphrase of the tests only",
), lambda: datetime.fromisoformat(sys.argv[5]))
services.hierarchy
print("ready", flush=True)
while True:
    code = product_code(services, sys.argv[4])
    with services.transaction() as session:
        service.enrol_product(services, session, code=code, sign_csr=csr(), encrypt_csr=csr())
    print("issued", flush=True)
"""


@pytest.mark.parametrize("workers", [2])
def test_proof_killed_workers_leave_no_half(services: Services, parties: object, workers: int) -> None:
    """Two workers at a time, killed at random moments, over and over on one database."""
    tenant_id = parties.enterprise.tenant.id  # type: ignore[attr-defined]
    before = assert_rows_and_journal_agree(services)
    told, chance = 0, random.Random()
    for _ in range(ROUNDS):
        running = [_start(services, tenant_id) for _ in range(workers)]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.5))
        for process in running:
            process.kill()
            told += process.communicate()[0].count("issued")
        issued = assert_rows_and_journal_agree(services) - before
        assert issued % 2 == 0  # pairs are whole
        assert 2 * told <= issued  # what was told was kept
    services.journal.seal()
    with services.reading() as session:
        assert services.journal.verify(session).whole


def _start(services: Services, tenant_id: str) -> subprocess.Popen[str]:
    settings, now = services.settings, services.clock().isoformat()
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(ROOT), str(settings.var), settings.database_url, tenant_id, now],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )

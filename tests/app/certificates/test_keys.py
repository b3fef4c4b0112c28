"""Where the service's keys lie, and who issues signer certificates."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from app.certificates import service
from app.certificates.keys import open_keystore
from app.certificates.ports import SignerOrder
from app.certificates.problems import KeyReused
from app.certificates.signer_issuer import EmbeddedSignerIssuer, describe_signer_issuer
from app.wiring import Services
from pki.authority import SignatureBinding
from pki.keystores import SealedKeyStore
from pki.path import Purpose, validate_path
from tests.app.certificates.helpers import new_key

ROOT = Path(__file__).parents[3]
BINDING = SignatureBinding(bytes(32), bytes(32), bytes(32))
SOFTHSM = next((p for p in (Path("/usr/lib/softhsm/libsofthsm2.so"),) if p.exists()), None)


# In a process of its own: SoftHSM reads its configuration once.
IN_TOKEN = """
import sys
from types import SimpleNamespace
from app.certificates.keys import open_keystore
from pki.keys import KeyType
store = open_keystore(SimpleNamespace(pkcs11_library=sys.argv[1], pkcs11_token="yunlian", pkcs11_pin="1234"))
made = store.create("issuing-test", KeyType.EC_P256)
assert store.names() == ["issuing-test"]
assert store.load("issuing-test").public_key() == made.public_key()
"""


def test_sealed_files_unless_a_token_is_named(services: Services) -> None:
    store = open_keystore(services.settings)
    assert isinstance(store, SealedKeyStore)
    assert "issuing-api" in store.names()


@pytest.mark.skipif(SOFTHSM is None or not shutil.which("softhsm2-util"), reason="SoftHSM2 is not installed")
def test_a_token_keeps_keys(tmp_path: Path) -> None:
    pytest.importorskip("pkcs11")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    environ = {**os.environ, "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf")}
    label = ("--label", "yunlian", "--pin", "1234", "--so-pin", "5678")
    subprocess.run(["softhsm2-util", "--init-token", "--free", *label], check=True, capture_output=True, env=environ)
    done = subprocess.run(
        [sys.executable, "-c", IN_TOKEN, str(SOFTHSM)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def issue(services: Services, key: Any, signer: str = "signer1") -> Any:
    with services.transaction() as session:
        return service.issue_signer(
            services, session, public_key=key.public_key(), name="柯琳", ceremony_id="c1", signer_id=signer,
            binding=BINDING, actor="test",
        )  # fmt: skip


def test_a_signer_certificate_by_the_embedded_authority(services: Services) -> None:
    record = issue(services, new_key())
    leaf = x509.load_der_x509_certificate(record.der)
    validate_path(leaf, services.hierarchy.trust, services.clock(), purpose=Purpose.SIGNER)
    assert "not a licensed" in describe_signer_issuer(services)


def test_a_signers_key_is_for_one_signature(services: Services) -> None:
    key = new_key()
    issue(services, key)
    for signer in ("signer1", "signer2"):
        with pytest.raises(KeyReused):
            issue(services, key, signer)


class LicensedCa:
    """A stand-in: the embedded authority under another name and with a chain of its own."""

    name = "licensed-ca"
    description = "the licensed CA of the tests"

    def __init__(self, services: Services) -> None:
        self._embedded = EmbeddedSignerIssuer(services)

    def issue(self, order: SignerOrder) -> x509.Certificate:
        return self._embedded.issue(order)

    def chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        return self._embedded.chain(certificate)


def test_a_licensed_ca_stands_behind_the_port(services: Services) -> None:
    services.__dict__["signer_issuer"] = LicensedCa(services)

    record = issue(services, new_key())

    assert record.issuer == "licensed-ca"
    assert len(service.chain_der(services, record)) == 2
    assert describe_signer_issuer(services).endswith("the licensed CA of the tests")

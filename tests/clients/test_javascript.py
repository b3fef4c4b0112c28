"""Clients in JavaScript against the real service over TLS: openid-client unmodified, and our own client's payment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dotenv import dotenv_values
from sqlalchemy import select

from app.demonstration import ENTERPRISE, PAYER_ACCOUNT
from app.identity.models import Tenant
from app.settings import Settings
from app.wiring import build_services
from clients.demo.browser import Browser
from clients.demo.running import Running, running_service
from tests.app.gateway.parties import REDIRECT_URI, ApplicationParty, EnterpriseParty, make_enterprise, make_platform

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "js"


@dataclass(frozen=True)
class World:
    """A running service, one platform with an application, the demonstration's enterprise, and its representative."""

    service: Running
    platform: ApplicationParty
    enterprise: EnterpriseParty
    representative: Browser
    modules: Path

    def run(self, program: str, folder: Path) -> dict[str, Any]:
        """Run a program up to its end; the representative consents where it asks. Returns what it says last."""
        self._prepare(folder, program)
        environment = os.environ | {"NODE_EXTRA_CA_CERTS": str(self.service.root)}
        with subprocess.Popen(
            ["node", program], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            asked = process.stdout.readline()
            if not asked:
                pytest.fail(process.stderr.read())
            process.stdin.write(self._consent(json.loads(asked)["url"]) + "\n")
            process.stdin.flush()
            said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        result: dict[str, Any] = json.loads(said)
        return result

    def _consent(self, url: str) -> str:
        query = parse_qs(urlsplit(url).query)
        fields = {name: query[name][0] for name in ("client_id", "request_uri")} | {"decision": "approve"}
        page = url.removeprefix(self.service.people)
        return str(self.representative.submit_raw("/oauth/authorize", fields, page=page).headers["Location"])

    def _prepare(self, folder: Path, program: str) -> None:
        (folder / "node_modules").symlink_to(self.modules)
        shutil.copy(PROGRAMS / program, folder)
        shutil.copy(ROOT / "clients" / "js" / "yunlian.mjs", folder)
        enterprise = self.enterprise.client()
        config = {
            "issuer": self.service.platforms,
            "client_id": self.platform.application.client_id,
            "kid": self.platform.x5t_s256,
            "urn": enterprise.urn,
            "uscc": ENTERPRISE[1],
            "redirect_uri": REDIRECT_URI,
            "payer_account": PAYER_ACCOUNT,
        }
        (folder / "config.json").write_text(json.dumps(config))
        keys = {
            "api": self.platform.key,
            "sign": self.enterprise.sign_key,
            "encrypt": self.enterprise.encrypt_key,
        }
        for name, key in keys.items():
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / f"{name}.key").write_bytes(pem)
        (folder / "api.pem").write_bytes(self.platform.certificate.public_bytes(Encoding.PEM))
        (folder / "sign.pem").write_bytes(self.enterprise.sign_certificate.public_bytes(Encoding.PEM))


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned npm packages, installed aside; the repository stays as it is."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: the JavaScript clients were not run")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "clients" / "js" / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the npm packages could not be installed: the JavaScript clients were not run\n{done.stderr}")
    return folder / "node_modules"


@pytest.fixture(scope="module")
def world(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_service(tmp_path_factory.mktemp("service") / "var") as service:
        environment = dotenv_values(service.var / "development.env")
        services = build_services(Settings.from_env({name: value or "" for name, value in environment.items()}))
        with services.reading() as session:
            tenant_id = session.scalars(select(Tenant.id).where(Tenant.uscc == ENTERPRISE[1])).one()
        enterprise = make_enterprise(services, 0, tenant_id=tenant_id)
        platform = make_platform(services, 1)
        with Browser(service.people, service.root) as representative:
            representative.log_in(service.log_ins["enterprise"])
            yield World(service, platform, enterprise, representative, modules)
        services.engine.dispose()


def test_openid_client_speaks_fapi_with_dpop(world: World, tmp_path: Path) -> None:
    said = world.run("fapi.mjs", tmp_path)
    [details] = said.pop("details")
    assert details["limits"] == {"single_minor": 10_000_00, "daily_minor": 100_000_00}
    assert said == {
        "wrongIssuer": "OAUTH_INVALID_RESPONSE",
        "type": "dpop",
        "renewedType": "dpop",
        "ownType": "bearer",
        "again": "invalid_grant",
        "active": True,
        "bound": ["jkt"],
        "validated": world.platform.application.client_id,
        "afterwards": False,
        "ended": "invalid_grant",
    }


def test_the_javascript_client_pays_with_both_identities(world: World, tmp_path: Path) -> None:
    said = world.run("pay.mjs", tmp_path)
    sealed = said.pop("sealed")
    assert (sealed["amount_minor"], sealed["payer_account"]) == (12_345, PAYER_ACCOUNT)
    assert said == {
        "status": 200,
        "same": True,
        "replayed": "replayed",
        "changed": "conflict",
        "flipped": "invalid-signature",
    }

"""The `yunlian` command as a platform runs it: processes of their own against the real service over TLS, from the
registration code to a payment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dotenv import dotenv_values
from sqlalchemy import select

from app.demonstration import ENTERPRISE, PAYER_ACCOUNT
from app.identity.models import Tenant
from app.settings import Settings
from app.wiring import build_services
from clients.demo.browser import Browser, option_value, shown_codes
from clients.demo.running import Running, running_service
from clients.demo.story import between
from tests.app.gateway.parties import REDIRECT_URI, EnterpriseParty, make_enterprise

PACKAGE = Path(__file__).parents[2] / "clients" / "python"
DOCUMENT = {
    "instruction_id": "CLI-0001",
    "amount_minor": 12_345,
    "currency": "CNY",
    "payer_account": PAYER_ACCOUNT,
    "payee": {"name": "宁波海蓝贸易有限公司", "account": "1202020209900012345", "clearing_code": "105331000018"},
    "purpose": "货款",
}


@dataclass(frozen=True)
class World:
    """A running service, the demonstration's enterprise with a product pair, and a folder of the platform."""

    service: Running
    enterprise: EnterpriseParty
    folder: Path

    def run(self, *arguments: str, status: int = 0) -> str:
        """One command; what it printed, or complained of where it is to fail."""
        done = subprocess.run(
            [sys.executable, "-m", "yunlian", *arguments],
            cwd=self.folder, env=os.environ | {"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    def write(self, name: str, content: Any) -> str:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / name).write_text(text)
        return name

    def add_to_profile(self, **values: str) -> None:
        path = self.folder / "yunlian.json"
        self.write(path.name, json.loads(path.read_text()) | values)

    def browser(self, login: str) -> Browser:
        browser = Browser(self.service.people, self.service.root)
        browser.log_in(self.service.log_ins[login])
        return browser


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("platform")
    with running_service(tmp_path_factory.mktemp("service") / "var") as service:
        environment = dotenv_values(service.var / "development.env")
        services = build_services(Settings.from_env({name: value or "" for name, value in environment.items()}))
        with services.reading() as session:
            tenant_id = session.scalars(select(Tenant.id).where(Tenant.uscc == ENTERPRISE[1])).one()
        made = World(service, make_enterprise(services, 0, tenant_id=tenant_id), folder)
        made.write("yunlian.json", {"issuer": service.platforms, "ca_file": str(service.root)})
        yield made
        services.engine.dispose()


def _register(world: World) -> None:
    """The developer's code registers the application; the answer names it."""
    with world.browser("platform") as developer:
        applications = "/developer/applications"
        shown = developer.submit(f"{applications}/registration-code", {}, page=applications)
    code = between(shown, "<code>", "</code>")
    world.write("registration.code", code)
    metadata = {"client_name": "命令行应用", "redirect_uris": [REDIRECT_URI], "scope": "payments routing"}
    arguments = ("register", world.write("metadata.json", metadata), "--code-file", "registration.code")
    registered = json.loads(world.run(*arguments))
    assert registered["scope"] == "payments routing"
    assert "invalid_token" in world.run(*arguments, status=1)  # a code is good for one
    world.add_to_profile(client_id=registered["client_id"])


def _enrol(world: World) -> None:
    """The officer's code and a CSR give the API certificate."""
    with world.browser("certificates") as officer:
        page = "/operations/enrolments"
        asked = {"application_id": option_value(officer.get(page), "application_id", "命令行应用")}
        [code] = shown_codes(officer.submit(f"{page}/api", asked, page=page))
    world.write("enrolment.code", code)
    world.run("csr", "api.key", "api.csr")
    arguments = ("enrol", "api.csr", "api.pem", "--code-file", "enrolment.code")
    world.run(*arguments)
    assert (world.folder / "api.pem").read_text().count("BEGIN CERTIFICATE") >= 2
    assert "enrolment-code" in world.run(*arguments, status=1)
    world.add_to_profile(api_key="api.key", api_certificate="api.pem")


def _authorize(world: World) -> None:
    """The representative consents; the address of the redirect gives the tokens."""
    asked = ("--redirect-uri", REDIRECT_URI, "--single", "2000000", "--daily", "9000000")
    request = json.loads(world.run("authorize", ENTERPRISE[1], *asked))
    world.write("request.json", request)
    url = request["url"]
    fields = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()} | {"decision": "approve"}
    with world.browser("enterprise") as representative:
        page = url.removeprefix(world.service.people)
        callback = representative.submit_raw("/oauth/authorize", fields, page=page).headers["Location"]
    issued = json.loads(world.run("exchange", "request.json", callback))
    world.write("refresh", issued["refresh_token"])
    assert "invalid_grant" in world.run("exchange", "request.json", callback, status=1)


def _sign_with_product_key(world: World) -> None:
    enterprise = world.enterprise
    for name, key in (("product.key", enterprise.sign_key), ("open.key", enterprise.encrypt_key)):
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        world.write(name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    world.write("product.pem", enterprise.sign_certificate.public_bytes(Encoding.PEM).decode())
    world.add_to_profile(product_key="product.key", product_certificate="product.pem", encryption_key="open.key")


def test_from_a_registration_code_to_a_payment(world: World) -> None:
    _register(world)
    _enrol(world)
    assert json.loads(world.run("token"))["scope"] == "routing"
    assert "invalid_scope" in world.run("token", "--scope", "payments", status=1)
    _authorize(world)
    _sign_with_product_key(world)
    arguments = (world.write("document.json", DOCUMENT), "--refresh-token-file", "refresh")
    explained = json.loads(world.run("explain", *arguments))
    assert explained["1 document"] == DOCUMENT
    assert explained["6 request line"] == f"POST {world.service.platforms}/api/v1/payments"
    assert 'tag="yunlian-api"' in explained["7 header fields"]["Signature-Input"]
    paid = json.loads(world.run("pay", *arguments))
    assert (paid["status"], paid["sealed"]["amount_minor"]) == (200, DOCUMENT["amount_minor"])
    again = json.loads(world.run("pay", *arguments))
    assert again["body"]["bank_reference"] == paid["body"]["bank_reference"]
    changed = (world.write("changed.json", DOCUMENT | {"amount_minor": 1}), "--refresh-token-file", "refresh")
    assert "conflict" in world.run("pay", *changed, status=1)
    faulty = (world.write("faulty.json", DOCUMENT | {"currency": "USD"}), "--refresh-token-file", "refresh")
    assert "/currency not-supported" in world.run("pay", *faulty, status=1)
    asked = (world.write("asked.json", {"instruction_id": "CLI-0001"}), "--refresh-token-file", "refresh")
    status = json.loads(world.run("pay", *asked, "--path", "/api/v1/payments/status"))
    assert status["body"]["bank_reference"] == paid["body"]["bank_reference"]

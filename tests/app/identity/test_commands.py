"""The operators' commands: secrets from prompts and files, never from the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyotp
import pytest
from flask import Flask

from app.identity import persons, service
from app.settings import RunProfile
from app.wiring import EXTENSION, Services, build_services
from tests.app.identity.people import PASSWORD, uscc


def run(app: Flask, *arguments: str, typed: str = "") -> str:
    result = app.test_cli_runner().invoke(args=arguments, input=typed)
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.output)


def test_from_tenant_to_log_in(app: Flask, services: Services, tmp_path: Path) -> None:
    tenant_id = run(app, "identity", "create-tenant", "bank", "银行", uscc(5)).strip()
    totp = tmp_path / "totp"
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    output = run(
        app,
        "identity",
        "create-account",
        tenant_id,
        "auditor",
        "审计",
        "auditor",
        "--totp-file",
        str(totp),
        typed=typed,
    )
    assert PASSWORD not in output
    assert totp.stat().st_mode & 0o777 == 0o600
    code = pyotp.parse_uri(totp.read_text().strip()).at(services.clock())  # type: ignore[attr-defined]
    assert run(app, "identity", "code", "auditor").strip() == code
    assert service.log_in(services, login="auditor", password=PASSWORD, code=code).account.name == "审计"


def test_a_password_from_a_file(app: Flask, tmp_path: Path) -> None:
    tenant_id = run(app, "identity", "create-tenant", "platform", "平台", uscc(6)).strip()
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    output = run(
        app, "identity", "create-account", tenant_id, "dev", "开发", "platform-user", "--password-file", str(file)
    )
    assert "otpauth://totp/" in output


def test_a_person_and_a_portrait(app: Flask, services: Services, tmp_path: Path) -> None:
    skimage = pytest.importorskip("skimage.data")
    from PIL import Image

    tenant_id = run(app, "identity", "create-tenant", "enterprise", "企业", uscc(7)).strip()
    person_id = run(app, "kyc", "add-person", tenant_id, typed="柯琳\n110101195611190027\n").strip().splitlines()[-1]
    image = tmp_path / "portrait.jpg"
    Image.fromarray(skimage.astronaut()).save(image)
    assert "sealed" in run(app, "kyc", "portrait", person_id, str(image))
    found = persons.EmbeddedPortraitSource(services).find_portrait(person_id)
    assert found is not None
    assert found.image == image.read_bytes()


def test_production_tells_no_codes(app: Flask, services: Services) -> None:
    production = dataclasses.replace(services.settings, profile=RunProfile.PRODUCTION)
    app.extensions[EXTENSION] = build_services(production)
    result = app.test_cli_runner().invoke(args=["identity", "code", "auditor"])
    assert result.exit_code != 0

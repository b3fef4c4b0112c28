"""Preparing var/ for `make run`: complete, private, and harmless to repeat."""

from __future__ import annotations

import stat
from pathlib import Path

from app.development import ENVIRONMENT_FILE, prepare, prepare_environment
from app.settings import RunProfile, Settings
from app.wiring import build_services


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_environment_is_complete_private_and_stable(tmp_path: Path) -> None:
    var = tmp_path / "var"
    environment = prepare_environment(var, PEOPLE_URL="https://localhost:1234")
    settings = Settings.from_env(environment)
    assert (settings.profile, settings.var) == (RunProfile.DEVELOPMENT, var)
    assert settings.people_url == "https://localhost:1234"
    assert prepare_environment(var, PEOPLE_URL="https://localhost:1234") == environment
    assert Settings.from_env(prepare_environment(var)).secret_key == settings.secret_key
    assert Settings.from_env(prepare_environment(tmp_path / "other")).secret_key != settings.secret_key
    for file in (var / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() not in environment.values()
    assert stat.S_IMODE(var.stat().st_mode) == 0o700


def test_preparing_again_keeps_what_is_there(tmp_path: Path) -> None:
    var = tmp_path / "var"
    log_ins = prepare(var)
    before = {name: content for name, content in contents(var).items() if not name.startswith("yunlian.db")}
    assert prepare(var) == log_ins
    after = {name: content for name, content in contents(var).items() if not name.startswith("yunlian.db")}
    assert after == before
    assert {ENVIRONMENT_FILE, "tls/door.pem", "tls/door.key", "tls/root.pem", "demonstration/invitation.txt"} <= set(
        before
    )
    assert stat.S_IMODE((var / "tls" / "door.key").stat().st_mode) == 0o600
    lines = (var / ENVIRONMENT_FILE).read_text(encoding="utf-8").splitlines()
    settings = Settings.from_env(dict(line.split("=", 1) for line in lines))
    services = build_services(settings)
    assert services.hierarchy.gateway_sign.x5t_s256
    services.engine.dispose()

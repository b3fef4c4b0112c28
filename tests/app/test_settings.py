"""Settings: production by default, every problem at once, no secret shown."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from app.settings import Door, RunProfile, Settings, SettingsInvalid

SECRETS = {
    "YUNLIAN_SECRET_KEY": "a secret for sessions",
    "YUNLIAN_DATA_KEY": base64.b64encode(bytes(range(32))).decode(),
    "YUNLIAN_KEYSTORE_PASSPHRASE": "a passphrase for keys",
}
PRODUCTION = SECRETS | {
    "YUNLIAN_DATABASE_URL": "postgresql://service:database-password@db/yunlian",
    "YUNLIAN_PERSON_KEYS_URL": "postgresql://service:database-password@keys/person_keys",
    "YUNLIAN_PEOPLE_URL": "https://sign.bank.example/",
    "YUNLIAN_ISSUER_URL": "https://api.bank.example",
    "YUNLIAN_PKI_URL": "http://pki.bank.example",
}
DEVELOPMENT = SECRETS | {"YUNLIAN_PROFILE": "development"}


def problems_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsInvalid) as raised:
        Settings.from_env(environ)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def test_production_is_the_default_and_names_all_that_it_lacks() -> None:
    problems = problems_of({})
    for name in PRODUCTION:
        assert any(name in problem for problem in problems), name
    assert len(problems) == len(PRODUCTION)


def test_production_starts_with_what_it_needs() -> None:
    settings = Settings.from_env(PRODUCTION)
    assert settings.production
    assert settings.profile is RunProfile.PRODUCTION
    assert (settings.match_policy, settings.liveness_policy) == ("standard", "standard-flash")
    assert settings.people_url == "https://sign.bank.example"
    assert settings.doors == frozenset(Door)


@pytest.mark.parametrize("name", sorted(PRODUCTION))
def test_production_has_no_default_for(name: str) -> None:
    environ = {key: value for key, value in PRODUCTION.items() if key != name}
    [problem] = problems_of(environ)
    assert name in problem


@pytest.mark.parametrize("name", ["YUNLIAN_MATCH_POLICY", "YUNLIAN_LIVENESS_POLICY"])
def test_production_refuses_the_policies_of_demonstrations(name: str) -> None:
    [problem] = problems_of(PRODUCTION | {name: "demo"})
    assert "demo" in problem
    assert Settings.from_env(DEVELOPMENT | {name: "demo"}).match_policy == "demo"


def test_development_has_defaults_for_all_but_secrets(tmp_path: Path) -> None:
    settings = Settings.from_env(DEVELOPMENT | {"YUNLIAN_VAR": str(tmp_path)})
    assert settings.database_url == f"sqlite:///{tmp_path}/yunlian.db"
    assert (settings.match_policy, settings.liveness_policy) == ("demo", "demo")
    assert len(problems_of({"YUNLIAN_PROFILE": "development"})) == len(SECRETS)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_may_lie_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRETS[name] + "\n", encoding="utf-8")
    environ = {key: value for key, value in PRODUCTION.items() if key != name}
    assert Settings.from_env(environ | {f"{name}_FILE": str(file)}) == Settings.from_env(PRODUCTION)
    [problem, *_] = problems_of(environ | {f"{name}_FILE": str(tmp_path / "missing")})
    assert f"{name}_FILE" in problem
    file.write_bytes(b"\xff\xfe not a text")
    assert any(name in problem for problem in problems_of(environ | {f"{name}_FILE": str(file)}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROFILE", "prodution"),
        ("DOORS", "people,window"),
        ("DOORS", ","),
        ("DATA_KEY", base64.b64encode(bytes(31)).decode()),
        ("DATA_KEY", "not base64!"),
        ("DATA_KEY", "密钥"),
        ("SECRET_KEY", "too short"),
        ("KEYSTORE_PASSPHRASE", "too short"),
        ("PEOPLE_URL", "http://sign.bank.example"),
        ("ISSUER_URL", "api.bank.example"),
        ("PKI_URL", "https://pki.bank.example"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "9"),
        ("TRUSTED_PROXIES", "1" * 5000),
        ("TRUSTED_PROXIES", "²"),
        ("MAX_BODY", "12"),
        ("MAX_BODY", "many"),
        ("LOG_LEVEL", "CHATTY"),
        ("MATCH_POLICY", "lenient"),
        ("LIVENESS_POLICY", "lenient"),
        ("DATABASE_URL", "mysql://db/yunlian"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    problems = problems_of(PRODUCTION | {f"YUNLIAN_{name}": value})
    assert len(problems) == 1
    assert f"YUNLIAN_{name}" in problems[0]


def test_no_secret_is_shown() -> None:
    settings = Settings.from_env(PRODUCTION | {"YUNLIAN_ROOT_PASSPHRASE": "the passphrase of the root"})
    shown = f"{settings!r} {settings}"
    for secret in (*SECRETS.values(), "database-password", "the passphrase of the root", repr(bytes(range(32)))):
        assert secret not in shown
    broken = PRODUCTION | {"YUNLIAN_DATA_KEY": "a wrong but secret value", "YUNLIAN_SECRET_KEY": "short!"}
    assert not any("secret value" in problem or "short!" in problem for problem in problems_of(broken))


def test_settings_do_not_change() -> None:
    settings = Settings.from_env(PRODUCTION)
    with pytest.raises(AttributeError):
        settings.max_body = 1  # type: ignore[misc]


def test_a_token_needs_label_and_pin() -> None:
    environ = PRODUCTION | {"YUNLIAN_PKCS11_LIBRARY": "/usr/lib/token.so", "YUNLIAN_PKCS11_TOKEN": "yunlian"}
    assert problems_of(environ) == ["YUNLIAN_PKCS11_PIN is missing beside YUNLIAN_PKCS11_LIBRARY"]
    settings = Settings.from_env(environ | {"YUNLIAN_PKCS11_PIN": "8642"})
    assert settings.pkcs11_token == "yunlian"
    assert "8642" not in repr(settings)

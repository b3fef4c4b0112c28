"""Prepares var/ for `make run` and the demonstration: secrets, settings file, database, authority, demonstration data.

Running it again changes nothing that is there. Production sets its own environment and never calls it.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from app.certificates.tls import make_tls_files
from app.demonstration import LogIn, fill, summary
from app.settings import Settings
from app.setup import initialize
from app.wiring import build_services

ENVIRONMENT_FILE = "development.env"
_SECRETS: dict[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(32),
    "data_key": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "keystore_passphrase": lambda: secrets.token_urlsafe(24),
    "root_passphrase": lambda: secrets.token_urlsafe(24),
}


def prepare_environment(var: Path, **overrides: str) -> dict[str, str]:
    """Make the folder with its secrets, once, and return the environment of every process of the service.

    `overrides` are settings without their prefix, for example PEOPLE_URL.
    """
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    (var / "run").mkdir(exist_ok=True, mode=0o700)
    folder = var / "secrets"
    folder.mkdir(exist_ok=True, mode=0o700)
    environment = {
        "FLASK_APP": "wsgi:app",
        "YUNLIAN_PROFILE": "development",
        "YUNLIAN_VAR": str(var),
        "YUNLIAN_WORKSHOP_SOCKET": str(var / "run" / "workshop.sock"),
        "YUNLIAN_CLEARING_URL": "http://localhost:8070",  # the simulator of the Procfile
        "YUNLIAN_LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }
    for name, make in _SECRETS.items():
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(make() + "\n", encoding="utf-8")
        environment[f"YUNLIAN_{name.upper()}_FILE"] = str(path)
    return environment | {f"YUNLIAN_{name}": value for name, value in overrides.items()}


def prepare(var: Path, *, with_contract: bool = True, **overrides: str) -> list[LogIn]:
    """Everything that the processes of the Procfile need: var/development.env, database, authority, data."""
    environment = prepare_environment(var, **overrides)
    lines = "".join(f"{name}={value}\n" for name, value in environment.items())
    (var / ENVIRONMENT_FILE).write_text(lines, encoding="utf-8")
    # The workshop does not run yet: what needs it is done in this process.
    here = {name: value for name, value in environment.items() if name != "YUNLIAN_WORKSHOP_SOCKET"}
    services = build_services(Settings.from_env(os.environ | here))
    initialize(services)
    make_tls_files(services, var / "tls")
    return fill(services, var / "demonstration", with_contract=with_contract)


def main() -> None:
    """`python -m app.development VAR`: prepare, and say where to look."""
    var = Path(sys.argv[1] if len(sys.argv) > 1 else "var").resolve()
    log_ins = prepare(var)
    settings = Settings.from_env(os.environ | prepare_environment(var))
    sys.stdout.write(summary(settings, log_ins, var / "demonstration"))


if __name__ == "__main__":
    main()

"""Every setting of the service, read once from the environment into one frozen object.

Production is the default and has no default secrets; `make run` sets the development profile.
A secret NAME may be given directly as YUNLIAN_NAME or as YUNLIAN_NAME_FILE, the path of a file that holds it.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path

from app.oauth.consent_policy import get_consent_policy
from app.routing.banks import BANKS_BY_ID
from kyc.errors import PolicyNotAllowed
from kyc.liveness import get_liveness_policy
from kyc.matching import get_match_policy
from kyc.ports import Alignment

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class RunProfile(StrEnum):
    """What the process runs for. Demonstration policies and default secrets exist outside PRODUCTION only."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    TEST = "test"


class Door(StrEnum):
    """One kind of listener; each is a gunicorn of its own, so that no kind of work stands in another's way."""

    PEOPLE = "people"
    PLATFORMS = "platforms"
    PKI = "pki"
    WORKSHOP = "workshop"


class SettingsInvalid(Exception):
    """The environment does not describe a service that may start; `problems` has every reason at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The service cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Frozen configuration. Sizes are bytes, durations seconds. Secrets never appear in its repr."""

    profile: RunProfile
    var: Path
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    data_key: bytes = field(repr=False)
    keystore_passphrase: bytes = field(repr=False)
    root_passphrase: bytes | None = field(default=None, repr=False)
    person_keys_url: str = field(default="", repr=False)
    registry_url: str | None = None
    registry_token: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    pkcs11_library: str | None = None
    pkcs11_token: str | None = None
    pkcs11_pin: str | None = field(default=None, repr=False)
    people_url: str = "https://localhost:8443"
    issuer_url: str = "https://localhost:9443"
    pki_url: str = "http://localhost:8080"
    doors: frozenset[Door] = frozenset(Door)
    workshop_socket: Path | None = None
    clearing_url: str | None = None
    clearing_key: Path | None = None
    ibps_limit_minor: int | None = None
    trusted_proxies: int = 0
    client_certificate_proxies: tuple[str, ...] = ()
    requests_per_minute: int = 6000
    match_policy: str = "standard"
    liveness_policy: str = "standard-flash"
    consent_policy: str = "standard"
    landmarks: Alignment = Alignment.SIXTY_EIGHT_POINT
    retention_years: Mapping[str, int] = field(default_factory=lambda: {"*": 15})
    routing_retention_years: int = 10
    home_bank: str = "icbc"
    max_body: int = 16 * 1024 * 1024
    log_level: str = "INFO"

    @property
    def production(self) -> bool:
        """Whether demonstration policies are refused."""
        return self.profile is RunProfile.PRODUCTION

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises SettingsInvalid with all problems, not only the first."""
        return _Reader(os.environ if environ is None else environ).read()


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def read(self) -> Settings:
        profile = self._profile()
        var = Path(self._text("VAR", "var")).resolve()
        production = profile is RunProfile.PRODUCTION
        database = self._database("DATABASE_URL", None if production else f"sqlite:///{var}/yunlian.db")
        # Several machines share one PostgreSQL; a file on each would leave every machine with a part of the keys.
        shared = production and not database.startswith("sqlite:")
        values: dict[str, object] = {
            "profile": profile,
            "var": var,
            "database_url": database,
            "person_keys_url": self._database("PERSON_KEYS_URL", None if shared else f"sqlite:///{var}/person-keys.db"),
            "secret_key": self._secret("SECRET_KEY"),
            "data_key": self._key("DATA_KEY"),
            "keystore_passphrase": self._secret("KEYSTORE_PASSPHRASE").encode(),
            "root_passphrase": (self._optional("ROOT_PASSPHRASE") or "").encode() or None,
            "registry_url": self._url("REGISTRY_URL", None) if self._optional("REGISTRY_URL") else None,
            "registry_token": self._optional("REGISTRY_TOKEN"),
            "redis_url": self._redis(),
            **self._token(),
            "people_url": self._url("PEOPLE_URL", None if production else "https://localhost:8443"),
            "issuer_url": self._url("ISSUER_URL", None if production else "https://localhost:9443"),
            "pki_url": self._url("PKI_URL", None if production else "http://localhost:8080"),
            "doors": self._doors(),
            "workshop_socket": self._path("WORKSHOP_SOCKET"),
            "clearing_url": self._optional("CLEARING_URL"),
            "clearing_key": self._path("CLEARING_KEY"),
            "ibps_limit_minor": self._number("IBPS_LIMIT_MINOR", 0, 0, 100_000_000) or None,
            "trusted_proxies": self._number("TRUSTED_PROXIES", 0, 0, 8),
            "client_certificate_proxies": self._networks("CLIENT_CERTIFICATE_PROXIES"),
            "requests_per_minute": self._number("REQUESTS_PER_MINUTE", 6000, 1, 10_000_000),
            "match_policy": self._policy("MATCH_POLICY", "standard", get_match_policy, production),
            "liveness_policy": self._policy("LIVENESS_POLICY", "standard-flash", get_liveness_policy, production),
            "consent_policy": self._policy(
                "CONSENT_POLICY", "standard" if production else "demo", get_consent_policy, production
            ),
            "landmarks": self._landmarks(),
            "retention_years": self._retention(),
            "routing_retention_years": self._number("ROUTING_RETENTION_YEARS", 10, 5, 100),
            "home_bank": self._home_bank(),
            "max_body": self._number("MAX_BODY", 16 * 1024 * 1024, 1024, 1 << 30),
            "log_level": self._log_level(),
        }
        if self._problems:
            raise SettingsInvalid(self._problems)
        return Settings(**values)  # type: ignore[arg-type]

    def _optional(self, name: str) -> str | None:
        variable = f"YUNLIAN_{name}"
        if path := self._environ.get(f"{variable}_FILE"):
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as exc:
                reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
                self._problems.append(f"{variable}_FILE cannot be read ({reason})")
                return None
        return self._environ.get(variable)

    def _text(self, name: str, default: str) -> str:
        return self._optional(name) or default

    def _secret(self, name: str, default: str | None = None) -> str:
        value = self._optional(name) or default
        if not value:
            self._problems.append(f"YUNLIAN_{name} or YUNLIAN_{name}_FILE is missing")
            return ""
        if name in {"SECRET_KEY", "KEYSTORE_PASSPHRASE"} and len(value) < 16:
            self._problems.append(f"YUNLIAN_{name} is shorter than 16 characters")
        return value

    def _key(self, name: str) -> bytes:
        text = self._secret(name)
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        if text and len(key) != 32:
            self._problems.append(f"YUNLIAN_{name} is not 32 octets in Base64")
        return key

    def _url(self, name: str, default: str | None) -> str:
        value = self._secret(name, default).rstrip("/")
        scheme = "http" if name == "PKI_URL" else "https"
        if value and not value.startswith(f"{scheme}://"):
            self._problems.append(f"YUNLIAN_{name} must begin with {scheme}://")
        return value

    def _database(self, name: str, default: str | None) -> str:
        value = self._secret(name, default)
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            self._problems.append(f"YUNLIAN_{name} must begin with sqlite:/// or postgresql://")
        return value

    def _policy(self, name: str, standard: str, get: Callable[..., object], production: bool) -> str:
        value = self._text(name, standard if production else "demo")
        try:
            get(value, production=production)
        except PolicyNotAllowed as exc:
            self._problems.append(f"YUNLIAN_{name}: {exc}")
        return value

    def _landmarks(self) -> Alignment:
        try:
            return Alignment(self._text("LANDMARKS", Alignment.SIXTY_EIGHT_POINT))
        except ValueError:
            self._problems.append(f"YUNLIAN_LANDMARKS is one of {', '.join(Alignment)}")
            return Alignment.SIXTY_EIGHT_POINT

    def _log_level(self) -> str:
        value = self._text("LOG_LEVEL", "INFO").upper()
        if value not in _LOG_LEVELS:
            self._problems.append(f"YUNLIAN_LOG_LEVEL is one of {', '.join(_LOG_LEVELS)}")
        return value

    def _home_bank(self) -> str:
        value = self._text("HOME_BANK", "icbc")
        if value not in BANKS_BY_ID:
            self._problems.append("YUNLIAN_HOME_BANK is an id of app/routing/data/banks.csv")
        return value

    def _path(self, name: str) -> Path | None:
        value = self._optional(name)
        return Path(value) if value else None

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        text = self._text(name, str(default))
        if not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= most:
            self._problems.append(f"YUNLIAN_{name} is not a whole number from {least} to {most}")
            return default
        return int(text)

    def _retention(self) -> dict[str, int]:
        """Years by template, as "product-service-agreement=30,*=15"; `*` stands for all others."""
        years: dict[str, int] = {"*": 15}
        for part in self._text("RETENTION_YEARS", "").split(","):
            template, _, number = (piece.strip() for piece in part.partition("="))
            if not part.strip():
                continue
            if not template or not re.fullmatch("[0-9]{1,3}", number) or not 5 <= int(number) <= 100:
                self._problems.append("YUNLIAN_RETENTION_YEARS is a list of template=years, each 5 to 100")
                break
            years[template] = int(number)
        return years

    def _networks(self, name: str) -> tuple[str, ...]:
        networks = tuple(part.strip() for part in self._text(name, "").split(",") if part.strip())
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                self._problems.append(f"YUNLIAN_{name} is a list of addresses or networks")
        return networks

    def _redis(self) -> str | None:
        url = self._optional("REDIS_URL") or None
        if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            self._problems.append("YUNLIAN_REDIS_URL must begin with redis://, rediss:// or unix://")
        return url

    def _token(self) -> dict[str, str | None]:
        library, token, pin = (self._optional(f"PKCS11_{name}") for name in ("LIBRARY", "TOKEN", "PIN"))
        if library:
            missing = [name for name, value in (("TOKEN", token), ("PIN", pin)) if not value]
            self._problems += [f"YUNLIAN_PKCS11_{name} is missing beside YUNLIAN_PKCS11_LIBRARY" for name in missing]
        return {"pkcs11_library": library or None, "pkcs11_token": token, "pkcs11_pin": pin}

    def _profile(self) -> RunProfile:
        text = self._text("PROFILE", RunProfile.PRODUCTION)
        try:
            return RunProfile(text)
        except ValueError:
            self._problems.append(f"YUNLIAN_PROFILE is one of {', '.join(RunProfile)}")
            return RunProfile.PRODUCTION

    def _doors(self) -> frozenset[Door]:
        text = self._text("DOORS", ",".join(Door))
        try:
            return frozenset(Door(part.strip()) for part in text.split(","))
        except ValueError:
            self._problems.append(f"YUNLIAN_DOORS is a list of {', '.join(Door)}")
            return frozenset()

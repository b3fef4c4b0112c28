"""Where this installation's private keys lie: sealed files, or a PKCS#11 token."""

from __future__ import annotations

from importlib import import_module

from app.settings import Settings, SettingsInvalid
from pki.keystores import SealedKeyStore
from pki.ports import KeyStore


def open_keystore(settings: Settings) -> KeyStore:
    """The store of the service's own keys (never of a platform's, an enterprise's or a signer's).

    A PKCS#11 token where the settings name a library, sealed files in `var`/keys/service otherwise. Raises
    SettingsInvalid where token or PIN is missing, and PkiError where the store does not open.
    """
    library: str | None = getattr(settings, "pkcs11_library", None)
    if library is None:
        return SealedKeyStore(settings.var / "keys" / "service", settings.keystore_passphrase)
    token: str | None = getattr(settings, "pkcs11_token", None)
    pin: str | None = getattr(settings, "pkcs11_pin", None)
    missing = [name for name, value in (("TOKEN", token), ("PIN", pin)) if not value]
    if missing:
        raise SettingsInvalid([f"YUNLIAN_PKCS11_{name} is missing beside YUNLIAN_PKCS11_LIBRARY" for name in missing])
    # Imported here: the library of a token is no dependency of an installation without one.
    store: KeyStore = import_module("pki.pkcs11").Pkcs11KeyStore(library, token, pin)
    return store

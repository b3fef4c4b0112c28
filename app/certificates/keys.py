"""Where this installation's private keys lie: sealed files, or a PKCS#11 token."""

from __future__ import annotations

from app.settings import Settings
from pki.keystores import SealedKeyStore
from pki.ports import KeyStore


def open_keystore(settings: Settings) -> KeyStore:
    """The store of the service's own keys (never of a platform's, an enterprise's or a signer's).

    A PKCS#11 token where the settings name a library, sealed files in `var`/keys/service otherwise. Raises PkiError
    where the store does not open.
    """
    if settings.pkcs11_library is None:
        return SealedKeyStore(settings.var / "keys" / "service", settings.keystore_passphrase)
    # Imported here: the library of a token is no dependency of an installation without one.
    from pki.pkcs11 import Pkcs11KeyStore  # noqa: PLC0415

    return Pkcs11KeyStore(settings.pkcs11_library, settings.pkcs11_token or "", settings.pkcs11_pin or "")

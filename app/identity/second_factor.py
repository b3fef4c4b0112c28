"""Time-based one-time passwords (RFC 6238): six digits, 30 seconds, one step of drift either way."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyotp.exceptions import OTPVerificationError

from app.problems import Unavailable

ISSUER = "云联 Yunlian"
_NONCE = 12
_NOBODYS_SECRET = pyotp.random_base32()


def new_secret() -> str:
    """160 random bits in Base32 (RFC 4226 §4, R6)."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, login: str) -> str:
    """The otpauth:// address that an authenticator application reads from a QR code. A secret."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def code_at(secret: str, now: datetime) -> str:
    """The six digits of this moment."""
    return pyotp.TOTP(secret).at(now)


def find_step(secret: str | None, code: str, now: datetime) -> int | None:
    """The time step that the code belongs to, or None. Without a secret (an unknown login) always None."""
    try:
        totp = pyotp.TOTP(secret or _NOBODYS_SECRET)
        step = totp.verify_and_get_timecode(code, for_time=now, valid_window=1)
    except OTPVerificationError:
        return None
    return step if secret else None


def seal_secret(data_key: bytes, account_id: str, secret: str) -> bytes:
    """AES-256-GCM with the account's id as associated data: no account can be given another's secret."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(data_key).encrypt(nonce, secret.encode(), account_id.encode())


def open_secret(data_key: bytes, account_id: str, sealed: bytes) -> str:
    """Raises Unavailable when the stored secret is damaged or sealed with another data key."""
    try:
        return _cipher(data_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], account_id.encode()).decode()
    except (InvalidTag, ValueError) as exc:
        raise Unavailable("the second factor of this account cannot be read") from exc


def _cipher(data_key: bytes) -> AESGCM:
    # Each use of the data key gets a key of its own, so that the limits of AES-GCM count per use.
    return AESGCM(hashlib.sha256(b"yunlian second factor" + data_key).digest())

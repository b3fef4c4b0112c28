"""Passwords: the rules, and argon2id at OWASP's parameters (19 MiB, 2 passes, 1 lane: about 25 ms)."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.identity.problems import WeakPassword

LEAST, MOST = 12, 128  # characters; NIST SP 800-63B-4 §3.1.1.2 asks for length, not for kinds of characters

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def check_password(password: str, login: str) -> None:
    """Raises WeakPassword unless the password has LEAST to MOST characters and is not made of the login."""
    text = _normal(password)
    if not LEAST <= len(text) <= MOST:
        raise WeakPassword(f"a password has {LEAST} to {MOST} characters")
    if login.casefold() in text.casefold() or len(set(text)) < 4:
        raise WeakPassword("a password is neither built on the login nor of a few repeated characters")


def hash_password(password: str) -> str:
    """The PHC string to store."""
    return _hasher.hash(_normal(password))


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether the password belongs to the hash. Without a hash (an unknown login) as much work is done."""
    try:
        matches = _hasher.verify(password_hash or _nobodys_hash(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return matches and password_hash is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def _normal(password: str) -> str:
    # The same keys give composed or decomposed characters on different systems (NIST SP 800-63B-4 §3.1.1.2).
    return unicodedata.normalize("NFKC", password)

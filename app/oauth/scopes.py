"""What a token may be good for."""

from __future__ import annotations

# A platform has these by itself (client_credentials).
CLIENT_SCOPES = frozenset({"routing", "contracts"})

# These concern an enterprise and come only with its authorization for the product of the same name.
PRODUCT_SCOPES = frozenset({"payments"})

PLATFORM_SCOPES = CLIENT_SCOPES | PRODUCT_SCOPES

# The bank's own systems have these, and nothing else; no platform has them.
BANK_SCOPES = frozenset({"onboarding"})

SCOPES = PLATFORM_SCOPES | BANK_SCOPES


def parse_scope(text: str | None) -> frozenset[str]:
    """The scope tokens of a space-separated list (RFC 6749 §3.3); empty where nothing was asked for."""
    return frozenset((text or "").split())


def format_scope(scopes: frozenset[str]) -> str:
    """One text per set of scopes."""
    return " ".join(sorted(scopes))

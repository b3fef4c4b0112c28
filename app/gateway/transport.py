"""What the transport says about the caller."""

from __future__ import annotations

import base64
import hashlib
from typing import Any


def find_client_certificate(environ: dict[str, Any]) -> str | None:
    """x5t#S256 of the client certificate of this TLS connection, None where there was none.

    gunicorn terminates TLS and has proven possession of the key (RFC 8446 §4.4.3) and the chain; whether the
    certificate is one of ours and good is for the caller to check.
    """
    connection: Any = environ.get("gunicorn.socket")
    if not hasattr(connection, "getpeercert"):
        return None
    der = connection.getpeercert(True)
    if not der:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

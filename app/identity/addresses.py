"""How many log-ins may fail from one network address, whatever accounts are tried: counted by all workers together.

The lock of an account stops guessing at one password; this stops trying one password at many accounts. Addresses share
a fixed number of slots, so that nobody fills the table, and are not readable in it.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from sqlalchemy import case, update
from sqlalchemy.dialects import postgresql, sqlite

from app.identity.models import LogInCount
from app.problems import TooManyRequests

if TYPE_CHECKING:
    from app.wiring import Services

SLOTS: Final = 1 << 14
WINDOW: Final = 15 * 60  # seconds
MOST_FAILURES: Final = 60  # an office behind one address mistypes now and then; a guesser does little else


def count_log_in(services: Services, address: str) -> None:
    """Count a log-in before it is judged, in a transaction of its own. Raises TooManyRequests."""
    now = int(services.clock().timestamp())
    window = now // WINDOW
    with services.transaction() as session:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        new = dialect.insert(LogInCount).values(slot=_slot(services, address), window=window, used=1)
        same = LogInCount.window == new.excluded.window
        used = session.scalar(
            new.on_conflict_do_update(
                index_elements=[LogInCount.slot],
                set_={"window": new.excluded.window, "used": case((same, LogInCount.used + 1), else_=1)},
            ).returning(LogInCount.used)
        )
    if used is None or used > MOST_FAILURES:
        raise TooManyRequests("too many log-ins from this address", retry_after=WINDOW - now % WINDOW)


def forgive_log_in(services: Services, address: str) -> None:
    """After a success: it was none of those that count."""
    with services.transaction() as session:
        session.execute(
            update(LogInCount)
            .where(LogInCount.slot == _slot(services, address), LogInCount.used > 0)
            .values(used=LogInCount.used - 1)
        )


def _slot(services: Services, address: str) -> int:
    key = hashlib.sha256(b"yunlian log-in addresses" + services.settings.data_key).digest()
    digest = hmac.digest(key, _network(address).encode(), "sha256")
    return int.from_bytes(digest[:4], "big") % SLOTS


def _network(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the /64 of an IPv6 address (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""  # a Unix socket, or a proxy that tells nothing: all of them are one
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)

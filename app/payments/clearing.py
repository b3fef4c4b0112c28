"""The port to the clearing systems: messages out, messages in, and the end-of-day file.

A payment is named by its reference on both sides, and the other side remembers it: the same transfer again moves no
money again. What came in is handed out until it is acknowledged, so nothing is lost when the reader dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.payments.clearing_errors import NotDelivered
from app.payments.clearing_http import HttpClearing
from app.payments.clearing_signatures import load_public_key
from app.payments.simulator.door import PUBLIC_KEY_FILE, STATE_FILE
from app.payments.simulator.moods import CALM, Mood
from app.payments.simulator.store import Store
from app.payments.simulator.system import Simulator
from pki.errors import PkiError

if TYPE_CHECKING:
    from app.wiring import Services


class ClearingNotConfigured(Exception):
    """Production has no connection to the clearing; what is booked waits."""


class ClearingConnection(Protocol):
    """The connection to the clearing systems. Not shared between threads."""

    def send(self, messages: Sequence[bytes]) -> Sequence[str | None]:
        """Hand over messages together; gives of each why it is not taken, None where it is.

        Raises NotDelivered (nothing left), DeliveryUncertain, DeliveryRefused (nothing of it was taken).
        """

    def collect(self, acknowledged: Sequence[str], most: int) -> Sequence[tuple[str, bytes]]:
        """Acknowledge what was dealt with, and get the next (delivery_id, xml). Raises NotDelivered."""

    def statement(self, channel: str, day: date) -> bytes | None:
        """The end-of-day file (camt.053) of a channel, None where there is none yet. Raises NotDelivered."""

    def close(self) -> None:
        """Let go of the connection."""


class _EmbeddedClearing:
    """The simulator within this process, for commands and tests: the same state and fates, no network between."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def send(self, messages: Sequence[bytes]) -> Sequence[str | None]:
        """See ClearingConnection."""
        return self._simulator.receive(messages)

    def collect(self, acknowledged: Sequence[str], most: int) -> Sequence[tuple[str, bytes]]:
        """See ClearingConnection."""
        return self._simulator.collect(acknowledged, most)

    def statement(self, channel: str, day: date) -> bytes | None:
        """See ClearingConnection."""
        return self._simulator.statement(channel, day)

    def close(self) -> None:
        """See ClearingConnection."""
        self._simulator.close()


def connect(services: Services) -> ClearingConnection:
    """The connection that the settings name; outside production, where they name none, an embedded simulator.

    Raises ClearingNotConfigured, and NotDelivered while the clearing's key is not there to be pinned.
    """
    settings = services.settings
    if settings.clearing_url is None:
        if settings.production:
            raise ClearingNotConfigured("YUNLIAN_CLEARING_URL names no clearing")
        return embedded_clearing(services)
    try:
        their_key = load_public_key(settings.clearing_key or simulator_folder(services) / PUBLIC_KEY_FILE)
    except (OSError, ValueError, PkiError) as exc:
        raise NotDelivered(f"the clearing's key cannot be read: {type(exc).__name__}") from exc
    held = services.hierarchy.gateway_sign
    return HttpClearing(settings.clearing_url, held.key, held.x5t_s256, their_key, services.clock)


def embedded_clearing(services: Services, mood: Mood = CALM, seed: str = "") -> ClearingConnection:
    """The simulator within this process, on the same state as its own process has."""
    store = Store(simulator_folder(services) / STATE_FILE)
    return _EmbeddedClearing(Simulator(store, mood, services.clock, seed, services.settings.ibps_limit_minor))


def simulator_folder(services: Services) -> Path:
    """Where the simulator keeps state and key: below the service's folder."""
    return services.settings.var / "clearing"

"""How the other side behaves: shares between 0 and 1, delays in seconds. What it decides follows from the seed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mood:
    """Beside what is wrong with a transfer itself, which every mood refuses."""

    name: str
    delay: tuple[float, float] = (0.0, 0.0)  # until it answers
    return_delay: tuple[float, float] = (0.0, 0.0)  # after that, until money comes back
    rejected: float = 0.0  # for a reason of the payee's bank
    returned: float = 0.0  # settled, and sent back later
    pending: float = 0.0  # says first that it is pending
    silent: float = 0.0  # never tells by itself; tells when asked
    duplicated: float = 0.0  # tells twice, in the same message and in a new one
    dropped: float = 0.0  # breaks the connection before it has read the message
    cut: float = 0.0  # breaks the connection after it has stored the message


CALM = Mood("calm")
NORMAL = Mood("normal", delay=(0.2, 2.0), return_delay=(5.0, 20.0), rejected=0.01, returned=0.005, pending=0.05)
WORST = Mood(
    "worst",
    delay=(0.0, 20.0),
    return_delay=(0.0, 30.0),
    rejected=0.1,
    returned=0.1,
    pending=0.2,
    silent=0.2,
    duplicated=0.3,
    dropped=0.15,
    cut=0.15,
)
MOODS = {mood.name: mood for mood in (CALM, NORMAL, WORST)}

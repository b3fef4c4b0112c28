"""The life of an instruction: states and the steps allowed between them. No I/O."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an instruction stands. SETTLED and REJECTED are final."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    ROUTED = "routed"
    BOOKED = "booked"
    DISPATCHED = "dispatched"
    SETTLED = "settled"
    REJECTED = "rejected"


ALLOWED = {
    State.RECEIVED: frozenset({State.ACCEPTED, State.REJECTED}),
    State.ACCEPTED: frozenset({State.ROUTED, State.REJECTED}),
    State.ROUTED: frozenset({State.BOOKED, State.REJECTED}),
    State.BOOKED: frozenset({State.DISPATCHED, State.SETTLED, State.REJECTED}),
    State.DISPATCHED: frozenset({State.SETTLED, State.REJECTED}),
    State.SETTLED: frozenset(),
    State.REJECTED: frozenset(),
}


class StepNotAllowed(Exception):
    """The program tried a step that the life of an instruction does not have; a fault of ours, never of a
    client.
    """


def verify_step(before: State, after: State) -> None:
    """Raises StepNotAllowed."""
    if after not in ALLOWED[before]:
        raise StepNotAllowed(f"{before} -> {after}")

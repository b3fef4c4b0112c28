"""The life of an instruction: states and the steps allowed between them. No I/O."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an instruction stands."""

    RECEIVED = "received"
    HELD = "held"  # waits for a second approver; its money is on hold in the ledger
    ACCEPTED = "accepted"
    ROUTED = "routed"
    BOOKED = "booked"
    DISPATCHED = "dispatched"  # may have left; recorded before it is sent
    UNKNOWN = "unknown"  # nobody said what became of it: asked for, never sent again blindly
    SETTLED = "settled"
    REJECTED = "rejected"
    RETURNED = "returned"  # 退汇: settled, and sent back by the other bank afterwards
    CANCELLED = "cancelled"


ALLOWED = {
    State.RECEIVED: frozenset({State.ACCEPTED, State.HELD, State.REJECTED}),
    State.HELD: frozenset({State.ACCEPTED, State.REJECTED, State.CANCELLED}),
    State.ACCEPTED: frozenset({State.ROUTED, State.REJECTED}),
    State.ROUTED: frozenset({State.BOOKED, State.REJECTED}),
    State.BOOKED: frozenset({State.DISPATCHED, State.SETTLED, State.REJECTED, State.CANCELLED}),
    State.DISPATCHED: frozenset({State.SETTLED, State.REJECTED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.SETTLED, State.REJECTED, State.DISPATCHED}),
    State.SETTLED: frozenset({State.RETURNED}),
    State.REJECTED: frozenset(),
    State.RETURNED: frozenset(),
    State.CANCELLED: frozenset(),
}
FINAL = frozenset({State.SETTLED, State.REJECTED, State.RETURNED, State.CANCELLED})
IN_FLIGHT = frozenset({State.BOOKED, State.DISPATCHED, State.UNKNOWN})  # money is on its way: in a transit account
MONEY_MOVED = frozenset({State.BOOKED, State.DISPATCHED, State.UNKNOWN, State.SETTLED})


class StepNotAllowed(Exception):
    """A step that the life of an instruction does not have: a fault of ours or of a channel, never of a client."""


def verify_step(before: State, after: State) -> None:
    """Raises StepNotAllowed."""
    if after not in ALLOWED[State(before)]:
        raise StepNotAllowed(f"{before} -> {after}")


def is_news(before: State, after: State) -> bool:
    """Whether a report that an instruction reached `after` moves one that stands at `before`.

    False where it has been there already, so that a report may come twice or late. Raises StepNotAllowed for a report
    that contradicts what is known.
    """
    before = State(before)
    if after in ALLOWED[before]:
        return True
    if before == after or (after, before) in _LATER:
        return False
    raise StepNotAllowed(f"{before} -> {after}")


def _later() -> frozenset[tuple[State, State]]:
    """Every (earlier, later) pair of states, however many steps lie between."""
    pairs = {(before, after) for before, allowed in ALLOWED.items() for after in allowed}
    while True:
        longer = pairs | {(first, last) for first, middle in pairs for other, last in pairs if middle == other}
        if longer == pairs:
            return frozenset(pairs)
        pairs = longer


_LATER = _later()

"""Who is sent away: only who comes to a worker that is behind."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from app.payments.problems import Overloaded
from app.payments.shedding import Hands


def test_more_than_the_most_are_sent_away_and_a_free_hand_takes_the_next() -> None:
    hands = Hands(most=2, few=2, clock=lambda: 0.0)
    with ExitStack() as held:
        held.enter_context(hands.one_more())
        with hands.one_more(), pytest.raises(Overloaded), hands.one_more():
            pass
        held.enter_context(hands.one_more())
        with pytest.raises(Overloaded), hands.one_more():
            pass


def test_while_some_are_sent_away_only_a_few_are_taken() -> None:
    now = [0.0]
    hands = Hands(most=3, few=1, relief=0.5, clock=lambda: now[0])
    with hands.one_more(), hands.one_more(), hands.one_more(), pytest.raises(Overloaded), hands.one_more():
        pass
    with hands.one_more():  # a few always
        now[0] += 0.4
        with pytest.raises(Overloaded), hands.one_more():
            pass
        now[0] += 0.4  # since the last, not since the first
        with pytest.raises(Overloaded), hands.one_more():
            pass
        now[0] += 0.5
        with hands.one_more(), hands.one_more():
            pass


def test_whoever_fails_leaves_a_free_hand() -> None:
    hands = Hands(most=1, few=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="once"), hands.one_more():
            raise ValueError("once")

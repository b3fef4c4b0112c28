"""The puppet: it does what it is asked, the same each time, and never sends one picture twice."""

from __future__ import annotations

import numpy as np
import pytest

from clients.demo.puppet import HEIGHT, WIDTH, Puppet, astronaut


@pytest.fixture(scope="module")
def puppet() -> Puppet:
    return Puppet(astronaut())


def test_frames_are_those_of_the_challenge_in_its_order(puppet: Puppet) -> None:
    performed = puppet.perform(["look-straight", "nod"], frames_per_action=3, interval_ms=150)
    assert [(action, at_ms) for action, at_ms, _ in performed] == [
        (0, 0), (0, 150), (0, 300), (1, 450), (1, 600), (1, 750),
    ]  # fmt: skip
    pictures = [picture for *_, picture in performed]
    assert all(picture.startswith(b"\xff\xd8") for picture in pictures)
    assert len(set(pictures)) == len(pictures)  # as from a camera
    assert [picture for *_, picture in puppet.perform(["look-straight", "nod"], frames_per_action=3)] == pictures


def test_poses_differ_and_a_caller_cannot_spoil_them(puppet: Puppet) -> None:
    still, turned = puppet.frame(), puppet.frame(turn=1.0)
    assert still.shape == turned.shape == (HEIGHT, WIDTH, 3)
    assert not np.array_equal(turned, puppet.frame(turn=-1.0))
    assert not np.array_equal(still, puppet.frame(mouth=1.0))
    still[:] = 0
    assert puppet.frame().any()


def test_an_unknown_action_is_refused(puppet: Puppet) -> None:
    with pytest.raises(KeyError):
        puppet.perform(["dance"])

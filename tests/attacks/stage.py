"""Who appears before the camera, and the requests that come of it. Everything follows from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from clients.demo.puppet import Puppet, Rgb, astronaut, grace_hopper, jpeg
from kyc.capture import Frame, frame_chain
from kyc.facecheck import FaceCheckRequest
from kyc.flash import Colour
from kyc.liveness import MOVEMENTS, TURNS, Action, LivenessChallenge, LivenessPolicy, NonceBinding
from kyc.ports import Assurance, Portrait
from tests.attacks.camera import Camera

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PORTRAITS: dict[str, Callable[[], Rgb]] = {"collins": astronaut, "hopper": grace_hopper}
FRAMES_PER_ACTION = 6
INTERVAL_MS = 350
_SHADES = 10  # a movement is rendered in so many steps and then reused: rendering is most of the time
_LIGHTS = 20  # and so many strengths of the screen's light
_POSES: dict[Action, Callable[[float], dict[str, float]]] = {
    Action.LOOK_STRAIGHT: lambda extent: {},
    Action.WATCH_COLOURS: lambda extent: {},
    Action.TURN_LEFT: lambda extent: {"turn": extent},
    Action.TURN_RIGHT: lambda extent: {"turn": -extent},
    Action.OPEN_MOUTH: lambda extent: {"mouth": extent},
    Action.NOD: lambda extent: {"nod": extent},
}


@dataclass(frozen=True)
class Actor:
    """A puppet whose poses are rendered once. `bend` and `depth` make it a photograph."""

    puppet: Puppet

    def pose(self, action: Action, extent: float) -> Rgb:
        return _rendered(self, action, round(extent * _SHADES))

    def lit(self, colour: Colour, strength: float) -> Rgb:
        return _lit(self, colour, round(strength * _LIGHTS))


@lru_cache(maxsize=256)
def _lit(actor: Actor, colour: Colour, light: int) -> Rgb:
    return actor.puppet.lit(actor.pose(Action.LOOK_STRAIGHT, 0), colour, light / _LIGHTS)


@lru_cache(maxsize=256)
def _rendered(actor: Actor, action: Action, shade: int) -> Rgb:
    return actor.puppet.frame(**_POSES[action](shade / _SHADES))


@lru_cache
def actor(person: str, *, depth: float = 1.0, bend: float = 0.0) -> Actor:
    return Actor(Puppet(PORTRAITS[person](), depth=depth, bend=bend))


@lru_cache
def portrait(person: str) -> Portrait:
    return Portrait(jpeg(PORTRAITS[person]()), Assurance.HIGH)


# A picture for an action, how far it has gone (0 to 1), and the colour on the screen where one is shown.
Scene = Callable[[Action, float, Colour | None], Rgb]


def living(person: str, dice: np.random.Generator) -> Scene:
    """The person, before a screen that lights the face as screens in rooms do."""
    one, light = actor(person), dice.uniform(0.12, 0.5)
    reach = dice.uniform(0.8, 1.1)

    def scene(action: Action, extent: float, colour: Colour | None) -> Rgb:
        return one.lit(colour, light) if colour else one.pose(action, extent * reach)

    return scene


def challenge_for(
    policy: LivenessPolicy, dice: np.random.Generator, movements: Sequence[Action] = MOVEMENTS
) -> LivenessChallenge:
    """As kyc.liveness.new_challenge draws one, but from a seed and, where said, from fewer movements."""
    turn = TURNS[int(dice.integers(2))]
    others = [action for action in movements if action is not turn]
    chosen = [turn, *(others[i] for i in dice.permutation(len(others))[: policy.random_actions - 1])]
    asked = [chosen[i] for i in dice.permutation(len(chosen))]
    colours = tuple(list(Colour)[i] for i in dice.permutation(len(Colour))) if policy.flash else ()
    return LivenessChallenge(
        nonce=binding(dice).nonce(),
        actions=(Action.LOOK_STRAIGHT, *asked, *([Action.WATCH_COLOURS] if colours else [])),
        issued_at=NOW,
        expires_at=NOW + policy.lifetime,
        policy=policy.name,
        policy_version=policy.version,
        colours=colours,
    )


def binding(dice: np.random.Generator) -> NonceBinding:
    return NonceBinding(b"d" * 32, b"c" * 32, dice.bytes(32))


def film(scene: Scene, challenge: LivenessChallenge, dice: np.random.Generator) -> tuple[Frame, ...]:
    """Frames of the scene as it answers the challenge, at a person's pace."""
    camera, frames, at_ms = Camera(dice), [], int(dice.integers(0, 400))
    for index, action in enumerate(challenge.actions):
        count = len(challenge.colours) if action is Action.WATCH_COLOURS else FRAMES_PER_ACTION
        # The first frame comes with the instruction, and nobody has followed it yet.
        delay, pace = dice.uniform(0.6, 1.8), dice.uniform(0.4, 0.7)
        for step in range(count):
            extent = float(np.clip((step - delay) * pace, 0, 1))
            colour = challenge.colours[step] if action is Action.WATCH_COLOURS else None
            frames.append(Frame(index, at_ms, camera.shoot(scene(action, extent, colour))))
            at_ms += INTERVAL_MS + int(dice.integers(-60, 60))
    return tuple(frames)


def request(
    frames: Sequence[Frame], challenge: LivenessChallenge, dice: np.random.Generator, person: str
) -> FaceCheckRequest:
    """What an attacker who controls the page would send: the frames chained for this challenge."""
    bound = binding(dice)
    challenge = replace(challenge, nonce=bound.nonce())
    return FaceCheckRequest(
        portrait=portrait(person),
        frames=tuple(frames),
        chain=frame_chain(challenge.nonce, (frame.jpeg for frame in frames)),
        challenge=challenge,
        binding=bound,
        match_policy="standard",
        received_at=NOW + timedelta(milliseconds=frames[-1].at_ms + 1500),
    )

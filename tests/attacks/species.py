"""Presentation and injection attacks (ISO/IEC 30107-3 species), each a generator of requests from a seed.

Every one is somebody without the person of the portrait at hand: `person` is whom they want to pass for. The
attacker owns the page and the camera, sees every instruction and colour, and chains frames as the page does; only
where a species is about the chain or the nonce do these stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from clients.demo.puppet import Rgb, jpeg
from kyc.capture import Frame
from kyc.duplicates import CaptureHash, hash_picture
from kyc.facecheck import FaceCheckRequest
from kyc.flash import Colour
from kyc.images import FRAME, decode_image
from kyc.liveness import MOVEMENTS, TURNS, Action, LivenessPolicy
from tests.attacks.camera import grain, on_screen, tinted
from tests.attacks.stage import PORTRAITS, Actor, actor, challenge_for, film, living, request

Generator = Callable[[LivenessPolicy, np.random.Generator], FaceCheckRequest]
# A sheet of paper opens no mouth: photographs are given only challenges that do not ask for it.
_WITHOUT_MOUTH = (*TURNS, Action.NOD)


def genuine(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """The person, alive, who has been here before."""
    person = _person(dice)
    before = film(living(person, dice), challenge_for(policy, dice), dice)
    challenge = challenge_for(policy, dice)
    made = request(film(living(person, dice), challenge, dice), challenge, dice, person)
    return replace(made, earlier=(remembered(before),))


def photograph_moved(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """A print held before the camera, moved about but not tilted."""
    return _photograph(policy, dice, tilt=0.0)


def photograph_tilted(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """A print tilted as the head should turn and nod."""
    return _photograph(policy, dice, tilt=dice.uniform(0.6, 1.6))


def photograph_bent(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """A print bent about an upright axis and tilted."""
    return _photograph(policy, dice, tilt=dice.uniform(0.6, 1.4), bend=(0.15, 0.3, 0.5)[int(dice.integers(3))])


def screen_replay(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """A film of the person doing the very actions, under other colours, on a screen before the camera."""
    person = _person(dice)
    challenge = challenge_for(policy, dice)
    colours = dict(zip(challenge.colours, challenge_for(policy, dice).colours, strict=True))
    recorded = living(person, dice)

    def scene(action: Action, extent: float, colour: Colour | None) -> Rgb:
        shown = on_screen(recorded(action, extent, colours[colour] if colour else None), dice)
        # The glass reflects a little of the attacker's own screen.
        return tinted(shown, colour, 0.03) if colour else shown

    return request(film(scene, challenge, dice), challenge, dice, person)


def session_replay(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """An earlier session of the person, fed in again for the same actions: compressed and chained anew."""
    person = _person(dice)
    earlier = challenge_for(policy, dice)
    frames = film(living(person, dice), earlier, dice)
    challenge = replace(earlier, colours=challenge_for(policy, dice).colours)
    made = request([_compressed_anew(frame, dice) for frame in frames], challenge, dice, person)
    return replace(made, earlier=(remembered(frames),))


def frames_reordered(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """An earlier session whose frames are sorted into the actions and colours that are asked for now."""
    person = _person(dice)
    earlier = challenge_for(policy, dice)
    frames = film(living(person, dice), earlier, dice)
    moved = sum(action in MOVEMENTS for action in earlier.actions)
    order = [0, *(1 + int(i) for i in dice.permutation(moved)), *range(1 + moved, len(earlier.actions))]
    colours = tuple(earlier.colours[i] for i in dice.permutation(len(earlier.colours)))
    challenge = replace(earlier, actions=tuple(earlier.actions[i] for i in order), colours=colours)
    taken = [[frame for frame in frames if frame.action == index] for index in order]
    if colours:
        taken[-1] = [taken[-1][earlier.colours.index(colour)] for colour in colours]
    sorted_frames = [(index, frame) for index, group in enumerate(taken) for frame in group]
    times = [frame.at_ms for frame in frames]
    rearranged = [Frame(index, at, frame.jpeg) for at, (index, frame) in zip(times, sorted_frames, strict=True)]
    made = request([_compressed_anew(frame, dice) for frame in rearranged], challenge, dice, person)
    return replace(made, earlier=(remembered(frames),))


def frames_dropped(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """A frame of a genuine session taken out on the way, under the chain as it was."""
    made = _one_of_few(policy, int(dice.integers(8)))
    dropped = int(dice.integers(len(made.frames)))
    return replace(made, frames=made.frames[:dropped] + made.frames[dropped + 1 :])


def wrong_nonce(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """A genuine session for another document: chain and challenge fit each other and not this document."""
    made = _one_of_few(policy, int(dice.integers(8)))
    return replace(made, binding=replace(made.binding, document_sha256=dice.bytes(32)))


def one_portrait_puppet(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """One portrait animated: on a screen before the camera, or fed in and tinted as a whole with the colours."""
    person = _person(dice)
    challenge = challenge_for(policy, dice)
    puppet, fed_in = actor(person), bool(dice.integers(2))
    strength = dice.uniform(0.1, 0.4)

    def scene(action: Action, extent: float, colour: Colour | None) -> Rgb:
        picture = puppet.pose(action, extent)
        if fed_in:
            return tinted(picture, colour, strength) if colour else picture
        shown = on_screen(picture, dice)
        return tinted(shown, colour, 0.03) if colour else shown

    return request(film(scene, challenge, dice), challenge, dice, person)


def swapped_face(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """The attacker performs, alive; for a part of the session the animated portrait takes their place."""
    person = _person(dice)
    other = next(name for name in PORTRAITS if name != person)
    challenge = challenge_for(policy, dice)
    theirs, his = living(person, dice), living(other, dice)
    shown = film(theirs, challenge, np.random.default_rng(dice.integers(2**32)))
    performed = film(his, challenge, np.random.default_rng(dice.integers(2**32)))
    length = int(dice.integers(len(shown) // 5, len(shown) * 9 // 10))
    start = int(dice.integers(len(shown) - length))
    mixed = [
        replace(shown[i], at_ms=performed[i].at_ms) if start <= i < start + length else performed[i]
        for i in range(len(shown))
    ]
    return request(mixed, challenge, dice, person)


def relit_puppet(policy: LivenessPolicy, dice: np.random.Generator) -> FaceCheckRequest:
    """One portrait animated and relit with the shading of a head, fed in: in this kit, a genuine session."""
    person = _person(dice)
    challenge = challenge_for(policy, dice)
    return request(film(living(person, dice), challenge, dice), challenge, dice, person)


PHOTOGRAPHS_AND_REPLAYS: dict[str, Generator] = {
    "photograph moved": photograph_moved,
    "photograph tilted": photograph_tilted,
    "photograph bent": photograph_bent,
    "screen replay": screen_replay,
    "session replay": session_replay,
    "swapped face": swapped_face,
    "frames reordered": frames_reordered,
    "frames dropped": frames_dropped,
    "wrong nonce": wrong_nonce,
}
PUPPETS: dict[str, Generator] = {"one-portrait puppet": one_portrait_puppet}


def remembered(frames: tuple[Frame, ...]) -> CaptureHash:
    """What the service keeps of a capture."""
    return tuple(hash_picture(decode_image(frame.jpeg, FRAME)) for frame in frames)


@lru_cache
def _one_of_few(policy: LivenessPolicy, seed: int) -> FaceCheckRequest:
    """A genuine session, for attacks that never get as far as the pictures."""
    return genuine(policy, np.random.default_rng(seed))


def _person(dice: np.random.Generator) -> str:
    return list(PORTRAITS)[int(dice.integers(len(PORTRAITS)))]


def _photograph(
    policy: LivenessPolicy, dice: np.random.Generator, *, tilt: float, bend: float = 0.0
) -> FaceCheckRequest:
    person = _person(dice)
    challenge = challenge_for(policy, dice, _WITHOUT_MOUTH)
    sheet = actor(person, depth=0.0, bend=bend)
    light, cut_out = dice.uniform(0.12, 0.5), bool(dice.integers(2))

    def scene(action: Action, extent: float, colour: Colour | None) -> Rgb:
        if colour is None:
            return sheet.pose(action, extent * tilt)
        lit = sheet.lit(colour, light)
        return _cut_out(sheet, lit) if cut_out else lit

    return request(film(scene, challenge, dice), challenge, dice, person)


def _cut_out(sheet: Actor, lit: Rgb) -> Rgb:
    """The head alone is of paper, and the room behind it is far from the screen."""
    dark = sheet.pose(Action.LOOK_STRAIGHT, 0)
    columns = np.arange(dark.shape[1])
    inside = (np.abs(columns - dark.shape[1] / 2) < 125)[None, :, None]
    return np.where(inside, lit, dark)


def _compressed_anew(frame: Frame, dice: np.random.Generator) -> Frame:
    """The same picture in another file."""
    picture = decode_image(frame.jpeg, FRAME)
    noisy = np.clip(picture + grain(dice), 0, 255).astype(np.uint8)
    return replace(frame, jpeg=jpeg(noisy, int(dice.integers(75, 95))))

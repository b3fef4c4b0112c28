"""The challenge: what the person is asked to do, once, for one document, within three minutes.

Left and right are the person's own. The page may show its preview as in a mirror; frames are uploaded as the
camera sees them.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from kyc.errors import InvalidChallenge, NonceMismatch, PolicyNotAllowed
from kyc.flash import Colour
from kyc.ports import Alignment

DIGEST_BYTES: Final = 32
_NONCE_LABEL: Final = b"yunlian-face-check/1\x00"
_DEMO_NAME: Final = "demo"


class Action(StrEnum):
    """What a person can be asked to do before the camera."""

    LOOK_STRAIGHT = "look-straight"
    TURN_LEFT = "turn-left"
    TURN_RIGHT = "turn-right"
    OPEN_MOUTH = "open-mouth"
    NOD = "nod"
    WATCH_COLOURS = "watch-colours"
    """Look straight while the screen shows the challenge's colours; one frame under each, in their order."""


MOVEMENTS: Final = (Action.TURN_LEFT, Action.TURN_RIGHT, Action.OPEN_MOUTH, Action.NOD)
TURNS: Final = (Action.TURN_LEFT, Action.TURN_RIGHT)


@dataclass(frozen=True, slots=True)
class FlashPolicy:
    """What the light of eight screen colours on the face must show; the figures are those of kyc.flash."""

    min_response: float
    min_strength: float
    min_shading: float


@dataclass(frozen=True, slots=True)
class LivenessPolicy:
    """How much is asked and which figures pass. Angles in degrees, times in milliseconds.

    The first action is always to look straight; `random_actions` follow, at least one of them a turn, because
    only a turn shows depth. With `flash`, the colours come last.
    """

    name: str
    version: str
    lifetime: timedelta
    random_actions: int
    min_frames_per_action: int
    max_frames: int
    min_frames_showing: int
    """Frames in which an action must be seen, so that one misplaced landmark is not a movement."""
    max_lost_frames_per_action: int
    """Frames of a turn or a nod in which the frontal detector may lose the face."""
    min_eye_distance: float
    max_straight_yaw: float
    min_turn: float
    min_mouth_rise: float
    min_nod: float
    min_relief: float
    max_identity_distance: float
    max_shift: float
    """Movement of the face between two frames, in face widths."""
    max_repeated_frames: int
    """Byte-identical files. A camera makes none; a simulated one may stand still."""
    max_gap_ms: int
    min_reaction_ms: int
    max_reaction_ms: int
    max_ahead_ms: int | None
    """How much longer the capture may claim to have lasted than the server saw pass; None: not compared."""
    max_repeated_share: float
    """Share of the frames that may be pictures of one earlier capture."""
    landmarks: Alignment = Alignment.SIXTY_EIGHT_POINT
    """The landmark model that the figures need; an engine without it refuses the policy."""
    flash: FlashPolicy | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "lifetime": int(self.lifetime.total_seconds())}


# Thresholds lie between what genuine sessions and attacks showed in `bench/liveness.py --figures`: genuine turns
# reached 13.5 degrees and photographs 9; nods 6.6 and, but for one in two hundred, 4.2; relief 0.034 and 0; frames of
# one person were up to 0.48 apart and of two at least 0.70; a person who came back shared 72 % of the frames at most,
# a replay 91 % at least.
STANDARD: Final = LivenessPolicy(
    name="standard",
    version="2",
    lifetime=timedelta(seconds=180),
    random_actions=3,
    min_frames_per_action=5,
    max_frames=60,
    min_frames_showing=2,
    max_lost_frames_per_action=3,
    min_eye_distance=60.0,
    max_straight_yaw=12.0,
    min_turn=12.0,
    min_mouth_rise=0.25,
    min_nod=6.0,
    min_relief=0.025,
    max_identity_distance=0.52,
    max_shift=0.6,
    max_repeated_frames=0,
    max_gap_ms=2_000,
    min_reaction_ms=100,
    max_reaction_ms=8_000,
    max_ahead_ms=1_000,
    max_repeated_share=0.8,
)
# For pages that can fill the screen with a colour. Genuine faces followed the colours at 0.80 or more, screens and
# replays at 0.62 or less; the light made 0.09 or more of difference, in pictures tinted as a whole 0.04 or less; it
# fell off towards the sides at more than 0.1 on 99 % of genuine faces, and on no photograph that was not bent.
STANDARD_FLASH: Final = replace(
    STANDARD,
    name="standard-flash",
    version="2",
    flash=FlashPolicy(min_response=0.75, min_strength=0.05, min_shading=0.1),
)
DEMO: Final = LivenessPolicy(
    name=_DEMO_NAME,
    version="2",
    lifetime=timedelta(seconds=180),
    random_actions=2,
    min_frames_per_action=3,
    max_frames=16,
    min_frames_showing=1,
    max_lost_frames_per_action=1,
    min_eye_distance=40.0,
    max_straight_yaw=15.0,
    min_turn=12.0,
    min_mouth_rise=0.2,
    min_nod=6.0,
    min_relief=0.02,
    max_identity_distance=0.6,
    max_shift=0.8,
    max_repeated_frames=12,
    max_gap_ms=10_000,
    min_reaction_ms=0,
    max_reaction_ms=30_000,
    max_ahead_ms=None,
    max_repeated_share=1.0,
)
_POLICIES: Final = {policy.name: policy for policy in (STANDARD, STANDARD_FLASH, DEMO)}


def get_liveness_policy(name: str, *, production: bool) -> LivenessPolicy:
    """The policy of this name. Raises PolicyNotAllowed: unknown, or a demonstration's in production."""
    policy = _POLICIES.get(name)
    if policy is None:
        raise PolicyNotAllowed(f"no liveness policy is named {name!r}")
    if production and policy.name == _DEMO_NAME:
        raise PolicyNotAllowed("the demo liveness policy is refused in production")
    return policy


@dataclass(frozen=True, slots=True)
class NonceBinding:
    """What a nonce is the digest of: the document read, the wording agreed to, and 32 random bytes."""

    document_sha256: bytes
    consent_sha256: bytes
    random: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "document_sha256": self.document_sha256.hex(),
            "consent_sha256": self.consent_sha256.hex(),
            "random": self.random.hex(),
            "nonce": self.nonce().hex(),
        }

    def nonce(self) -> bytes:
        return challenge_nonce(self.document_sha256, self.consent_sha256, self.random)


def new_binding(document_sha256: bytes, consent_sha256: bytes) -> NonceBinding:
    """A binding for one attempt at one document. Raises InvalidChallenge unless both are SHA-256 digests."""
    binding = NonceBinding(document_sha256, consent_sha256, secrets.token_bytes(DIGEST_BYTES))
    binding.nonce()
    return binding


def challenge_nonce(document_sha256: bytes, consent_sha256: bytes, random32: bytes) -> bytes:
    """SHA-256 over the label "yunlian-face-check/1", NUL, and the three parts of 32 bytes each.

    Raises InvalidChallenge when a part has another length.
    """
    parts = (document_sha256, consent_sha256, random32)
    if any(len(part) != DIGEST_BYTES for part in parts):
        raise InvalidChallenge("each part of a nonce has 32 bytes")
    return hashlib.sha256(_NONCE_LABEL + b"".join(parts)).digest()


@dataclass(frozen=True, slots=True)
class LivenessChallenge:
    """One attempt: its nonce, the actions and colours in their order, its time and the policy that judges it."""

    nonce: bytes
    actions: tuple[Action, ...]
    issued_at: datetime
    expires_at: datetime
    policy: str
    policy_version: str
    colours: tuple[Colour, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is stored and as the page reads it."""
        return {
            "nonce": base64.urlsafe_b64encode(self.nonce).decode().rstrip("="),
            "actions": [str(action) for action in self.actions],
            "colours": [str(colour) for colour in self.colours],
            "issued_at": self.issued_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "policy": self.policy,
            "policy_version": self.policy_version,
        }


def new_challenge(nonce: bytes, policy: LivenessPolicy, now: datetime) -> LivenessChallenge:
    """Look straight, then random actions in random order, at least one of them a turn; then, where the policy asks
    for them, the eight colours in random order (`secrets`)."""
    if len(nonce) != DIGEST_BYTES:
        raise InvalidChallenge("a nonce has 32 bytes")
    dice = secrets.SystemRandom()
    turn = dice.choice(TURNS)
    others = [action for action in MOVEMENTS if action is not turn]
    asked = [turn, *dice.sample(others, policy.random_actions - 1)]
    dice.shuffle(asked)
    colours = dice.sample(list(Colour), len(Colour)) if policy.flash else []
    if colours:
        asked.append(Action.WATCH_COLOURS)
    return LivenessChallenge(
        nonce=nonce,
        actions=(Action.LOOK_STRAIGHT, *asked),
        issued_at=now,
        expires_at=now + policy.lifetime,
        policy=policy.name,
        policy_version=policy.version,
        colours=tuple(colours),
    )


def parse_challenge(stored: Mapping[str, Any]) -> LivenessChallenge:
    """The challenge that `to_json` wrote. Raises InvalidChallenge."""
    try:
        nonce = base64.b64decode(stored["nonce"] + "=", altchars=b"-_", validate=True)
        challenge = LivenessChallenge(
            nonce=nonce,
            actions=tuple(Action(name) for name in stored["actions"]),
            issued_at=datetime.fromisoformat(stored["issued_at"]),
            expires_at=datetime.fromisoformat(stored["expires_at"]),
            policy=stored["policy"],
            policy_version=stored["policy_version"],
            colours=tuple(Colour(colour) for colour in stored.get("colours", ())),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as exc:
        raise InvalidChallenge("not a stored challenge") from exc
    if len(nonce) != DIGEST_BYTES or challenge.actions[:1] != (Action.LOOK_STRAIGHT,):
        raise InvalidChallenge("not a stored challenge")
    if bool(challenge.colours) != (Action.WATCH_COLOURS in challenge.actions):
        raise InvalidChallenge("colours belong to the action of watching them")
    if not isinstance(challenge.policy, str) or not isinstance(challenge.policy_version, str):
        raise InvalidChallenge("not a stored challenge")
    if challenge.issued_at.tzinfo is None or challenge.expires_at.tzinfo is None:
        raise InvalidChallenge("the times of a challenge have a time zone")
    return challenge


def verify_nonce(challenge: LivenessChallenge, binding: NonceBinding) -> None:
    """The challenge was made for this document and this wording. Raises NonceMismatch."""
    if not secrets.compare_digest(challenge.nonce, binding.nonce()):
        raise NonceMismatch("the challenge belongs to another document, wording or attempt")

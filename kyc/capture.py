"""What the camera page sends: frames in order, chained to the nonce of their challenge."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from kyc.errors import ChallengeExpired, FrameChainBroken, FramesIncomplete
from kyc.liveness import Action, LivenessChallenge, LivenessPolicy


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: which action it belongs to (index into the challenge's actions), milliseconds since the
    capture began, and the JPEG file as the camera page made it."""

    action: int
    at_ms: int
    jpeg: bytes


def frame_chain(nonce: bytes, jpegs: Iterable[bytes]) -> bytes:
    """chain_0 = SHA-256(nonce), chain_i = SHA-256(chain_{i-1} || SHA-256(jpeg_i)); the last value."""
    link = hashlib.sha256(nonce).digest()
    for jpeg in jpegs:
        link = hashlib.sha256(link + hashlib.sha256(jpeg).digest()).digest()
    return link


def verify_capture(
    frames: Sequence[Frame],
    chain: bytes,
    challenge: LivenessChallenge,
    policy: LivenessPolicy,
    received_at: datetime,
) -> None:
    """Everything about the frames that can be told without looking at a picture.

    Raises ChallengeExpired, FramesIncomplete (too few for an action, too many, not in the order of the
    actions or of time) or FrameChainBroken (dropped, added, changed, reordered, captured for another nonce).
    """
    if not challenge.issued_at <= received_at < challenge.expires_at:
        raise ChallengeExpired("the frames arrived outside of the challenge's time")
    if len(frames) > policy.max_frames:
        raise FramesIncomplete(f"{len(frames)} frames, at most {policy.max_frames}")
    if not secrets.compare_digest(chain, frame_chain(challenge.nonce, (frame.jpeg for frame in frames))):
        raise FrameChainBroken("the frames are not those that were captured for this challenge")
    for index, action in enumerate(challenge.actions):
        count = sum(frame.action == index for frame in frames)
        if action is Action.WATCH_COLOURS and count != len(challenge.colours):
            raise FramesIncomplete(f"{count} frames of {len(challenge.colours)} colours")
        if count < policy.min_frames_per_action:
            raise FramesIncomplete(f"action {index} has fewer than {policy.min_frames_per_action} frames")
    indices = [frame.action for frame in frames]
    if indices != sorted(indices) or indices[-1] >= len(challenge.actions) or indices[0] < 0:
        raise FramesIncomplete("the frames are not in the order of the actions")
    times = [frame.at_ms for frame in frames]
    lifetime_ms = policy.lifetime.total_seconds() * 1000
    if times[0] < 0 or times[-1] > lifetime_ms or any(b <= a for a, b in pairwise(times)):
        raise FramesIncomplete("the times of the frames do not rise within the challenge's time")

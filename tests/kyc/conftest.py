"""People who are not there: puppets of two photographs in the public domain, and sessions they perform."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from clients.demo.puppet import Puppet, astronaut, grace_hopper, jpeg
from kyc.capture import Frame, frame_chain
from kyc.facecheck import FaceCheckRequest
from kyc.liveness import DEMO, Action, LivenessPolicy, NonceBinding, new_challenge
from kyc.ports import Assurance, Portrait

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BINDING = NonceBinding(document_sha256=b"d" * 32, consent_sha256=b"c" * 32, random=b"r" * 32)


@dataclass(frozen=True)
class Session:
    """A request that can be tampered with; `with_frames` chains again as an attacker with the page would."""

    request: FaceCheckRequest

    def with_frames(self, frames: Sequence[Frame]) -> FaceCheckRequest:
        chain = frame_chain(self.request.challenge.nonce, (frame.jpeg for frame in frames))
        return replace(self.request, frames=tuple(frames), chain=chain)


@pytest.fixture(scope="session")
def collins() -> Puppet:
    return Puppet(astronaut())


@pytest.fixture(scope="session")
def hopper() -> Puppet:
    return Puppet(grace_hopper())


@pytest.fixture(scope="session")
def portrait() -> Portrait:
    return Portrait(jpeg(astronaut()), Assurance.HIGH)


@pytest.fixture(scope="session")
def perform(portrait: Portrait) -> Callable[..., Session]:
    """A session of a puppet that answers a challenge, to be compared with Eileen Collins."""

    def play(
        puppet: Puppet,
        actions: Sequence[Action] = (Action.TURN_LEFT, Action.OPEN_MOUTH),
        *,
        policy: LivenessPolicy = DEMO,
        match_policy: str = "demo",
        frames_per_action: int = 4,
        production: bool = False,
    ) -> Session:
        challenge = new_challenge(BINDING.nonce(), policy, NOW)
        challenge = replace(challenge, actions=(Action.LOOK_STRAIGHT, *actions))
        shots = puppet.perform(challenge.actions, frames_per_action=frames_per_action)
        frames = tuple(Frame(*shot) for shot in shots)
        return Session(
            FaceCheckRequest(
                portrait=portrait,
                frames=frames,
                chain=frame_chain(challenge.nonce, (frame.jpeg for frame in frames)),
                challenge=challenge,
                binding=BINDING,
                match_policy=match_policy,
                received_at=NOW + timedelta(seconds=20),
                production=production,
            )
        )

    return play

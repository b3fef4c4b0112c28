from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from kyc.capture import Frame, frame_chain, verify_capture
from kyc.errors import ChallengeExpired, FrameChainBroken, FramesIncomplete
from kyc.liveness import DEMO, new_challenge

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CHALLENGE = new_challenge(b"n" * 32, DEMO, NOW)
FRAMES = tuple(Frame(i // 4, i * 200, b"frame %d" % i) for i in range(12))


def check(frames=FRAMES, *, chain_of=None, nonce=CHALLENGE.nonce, at=NOW + timedelta(seconds=9)):
    chain = frame_chain(nonce, [frame.jpeg for frame in (frames if chain_of is None else chain_of)])
    verify_capture(frames, chain, CHALLENGE, DEMO, at)


def test_the_chain_as_written_down():
    link = sha256(b"nonce").digest()
    for jpeg in (b"one", b"two"):
        link = sha256(link + sha256(jpeg).digest()).digest()
    assert frame_chain(b"nonce", [b"one", b"two"]) == link


def test_frames_as_captured_pass():
    check()


@pytest.mark.parametrize(
    "changed",
    [
        FRAMES[:5] + FRAMES[6:],
        (*FRAMES[:4], FRAMES[5], FRAMES[4], *FRAMES[6:]),
        (*FRAMES[:11], replace(FRAMES[11], jpeg=b"other")),
        (*FRAMES, Frame(2, 9_000, b"one more")),
    ],
    ids=["dropped", "reordered", "changed", "added"],
)
def test_frames_tampered_with_break_the_chain(changed):
    with pytest.raises(FrameChainBroken):
        check(changed, chain_of=FRAMES)


def test_frames_of_another_challenge_break_the_chain():
    with pytest.raises(FrameChainBroken):
        check(nonce=b"m" * 32)


def test_a_chain_of_another_length_is_broken():
    with pytest.raises(FrameChainBroken):
        verify_capture(FRAMES, b"", CHALLENGE, DEMO, NOW)


@pytest.mark.parametrize("at", [NOW - timedelta(seconds=1), NOW + timedelta(seconds=180), NOW + timedelta(days=1)])
def test_frames_outside_of_the_time_are_refused(at):
    with pytest.raises(ChallengeExpired):
        check(at=at)


@pytest.mark.parametrize(
    "frames",
    [
        (),
        FRAMES[:8],
        FRAMES[6:],
        tuple(Frame(i // 334, i, b"%d" % i) for i in range(1000)),
        FRAMES[4:8] + FRAMES[:4] + FRAMES[8:],
        (*FRAMES, Frame(3, 9_000, b"an action never asked for")),
        (Frame(-1, 0, b"before the first"), *(replace(frame, at_ms=frame.at_ms + 1) for frame in FRAMES)),
        tuple(replace(frame, at_ms=0) for frame in FRAMES),
        tuple(replace(frame, at_ms=-frame.at_ms) for frame in FRAMES),
        (*FRAMES[:11], replace(FRAMES[11], at_ms=181_000)),
    ],
    ids=["none", "no-last", "few", "thousand", "order", "extra", "negative", "still", "backwards", "late"],
)
def test_frames_that_no_camera_page_sends(frames):
    with pytest.raises(FramesIncomplete):
        check(frames)

import numpy as np
import pytest

from clients.demo.puppet import Puppet
from kyc.duplicates import hash_picture, repeated_share
from kyc.errors import LivenessFailed
from kyc.facecheck import check_face
from kyc.images import FRAME, decode_image
from kyc.liveness import STANDARD_FLASH
from tests.attacks import species


def test_a_hash_has_256_bits_and_survives_another_encoding(collins: Puppet):
    picture = collins.frame()
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 1, picture.shape), 0, 255).astype(np.uint8)
    assert len(hash_picture(picture)) == 32
    assert repeated_share((hash_picture(noisy),), [(hash_picture(picture),)]) == 1.0


def test_the_share_is_that_of_the_most_alike_capture():
    dice = np.random.default_rng(1)
    seen = tuple(dice.bytes(32) for _ in range(10))
    others = tuple(dice.bytes(32) for _ in range(10))
    assert repeated_share(seen[:3] + others[:7], [others[7:], seen]) == pytest.approx(0.3)
    assert repeated_share(seen, [others]) == 0.0
    assert repeated_share(seen, []) == repeated_share((), [seen]) == repeated_share(seen, [()]) == 0.0


def test_a_capture_is_returned_to_be_remembered():
    dice = np.random.default_rng(3)
    request = species.genuine(STANDARD_FLASH, dice)
    result = check_face(request)
    assert result.capture == tuple(hash_picture(decode_image(frame.jpeg, FRAME)) for frame in request.frames)


@pytest.mark.parametrize("attack", [species.session_replay, species.frames_reordered])
def test_an_earlier_capture_under_a_new_nonce(attack):
    request = attack(STANDARD_FLASH, np.random.default_rng(4))
    with pytest.raises(LivenessFailed) as caught:
        check_face(request)
    assert caught.value.check == "repeated-capture"

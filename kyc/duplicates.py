"""Is this capture one that was seen before? Perceptual hashes of its frames against those of earlier captures.

A nonce stops a recording of another session as it was sent. Somebody who controls the camera can feed the same
recording in again under a new nonce: its files then differ, its pictures do not. A hash tells something about a
face's picture: it is biometric information and is sealed and forgotten like the frames.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np

from kyc.ports import Image

_SIDE: Final = 16
HASH_BYTES: Final = _SIDE * _SIDE // 8
# Bits of 256 that may differ between two encodings of one picture: 99 % of frames compressed anew stay below.
_SAME_PICTURE: Final = 18

# One 32-byte difference hash per frame, in order.
CaptureHash: TypeAlias = tuple[bytes, ...]


def hash_picture(image: Image) -> bytes:
    """256 bits: in a 17 x 16 grey thumbnail, whether each pixel is brighter than its neighbour on the right."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    return bytes(np.packbits(small[:, :-1] > small[:, 1:]))


def repeated_share(capture: CaptureHash, earlier: Sequence[CaptureHash]) -> float:
    """The share of the frames that are pictures of one earlier capture, the largest over all of them: 0 to 1."""
    if not capture:
        return 0.0
    return max((_share(_bits(capture), _bits(other)) for other in earlier if other), default=0.0)


def _share(capture: cv2.typing.MatLike, other: cv2.typing.MatLike) -> float:
    differing = (capture[:, None, :] != other[None, :, :]).sum(axis=2)
    return float((differing.min(axis=1) <= _SAME_PICTURE).mean())


def _bits(capture: CaptureHash) -> cv2.typing.MatLike:
    return np.unpackbits(np.frombuffer(b"".join(capture), np.uint8).reshape(len(capture), -1), axis=1)

"""What identity proofing needs from outside: a face engine, portraits to compare with, a register."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Clock: TypeAlias = Callable[[], datetime]

# RGB, uint8, (height, width, 3).
Image: TypeAlias = npt.NDArray[np.uint8]
# Pixel coordinates, float64, (n, 2): x to the right, y down.
Points: TypeAlias = npt.NDArray[np.float64]
# float64, (128,): the Euclidean distance between two tells how alike two faces are.
Encoding: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where a face was found, in pixels; `right` and `bottom` are the last ones inside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left + 1

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Alignment(StrEnum):
    """A landmark model: which points are measured, and how a face is turned and cut before it is encoded."""

    FIVE_POINT = "five-point"
    SIXTY_EIGHT_POINT = "sixty-eight-point"


class FaceEngine(Protocol):
    """Finds, measures and encodes faces. Deterministic; shared by all checks of a process."""

    @property
    def landmark_model(self) -> Alignment:
        """Which points `landmarks` gives; an alignment with more of them is refused."""

    def detect(self, image: Image) -> list[FaceBox]:
        """Every upright, roughly frontal face, the largest first."""

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """The 68 points of the iBUG 300-W mark-up, (68, 2), in its order; or dlib's 5 points, (5, 2)."""

    def encode(self, image: Image, box: FaceBox, alignment: Alignment = Alignment.FIVE_POINT) -> Encoding:
        """The face as a point in the space of dlib's ResNet, (128,)."""


class Assurance(StrEnum):
    """How far a reference portrait can be trusted."""

    HIGH = "high"
    """Held by the bank from a proofing of its own, or from an authoritative identity source."""
    LOW = "low"
    """Cut from a document photograph: a forged document carries the attacker's face. An officer decides."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """A reference portrait: a JPEG or PNG file and where its trust comes from."""

    image: bytes
    assurance: Assurance


class PortraitSource(Protocol):
    """What the bank holds, or an authoritative service."""

    def find_portrait(self, person_id: str) -> Portrait | None:
        """The portrait held for this person; None when there is none."""


@dataclass(frozen=True, slots=True)
class EnterpriseElements:
    """The four elements (企业四要素) that a register compares as one."""

    name: str
    uscc: str
    legal_representative: str
    identity_number: str


class RegistryAnswer(StrEnum):
    """What a register says to four elements; silence and faults are UNKNOWN and never a yes."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Registry(Protocol):
    """A register of enterprises: one that operators fill, or an authoritative service behind an adapter."""

    def compare(self, elements: EnterpriseElements) -> RegistryAnswer:
        """Whether all four elements belong together. Must answer UNKNOWN where it cannot tell."""

"""The KycError family: what can be wrong with an identity document, an image, a face check or its evidence.

Every class carries a stable kebab-case `code`, is built from plain strings and integers only (so it survives
the way back from a worker process), and never names a person, a number or a pixel of one.
"""

from typing import ClassVar


class KycError(Exception):
    """Root of everything that identity proofing refuses."""

    code: ClassVar[str] = "kyc-error"


class InvalidIdentityNumber(KycError):
    """Not a resident identity number as GB 11643-1999 defines it."""

    code = "invalid-identity-number"


class ObsoleteIdentityNumber(InvalidIdentityNumber):
    """A 15-digit number of the first generation, without force since 2013-01-01."""

    code = "obsolete-identity-number"


class EnterpriseNotConfirmed(KycError):
    """The registry did not say yes to the four elements of an enterprise."""

    code = "enterprise-not-confirmed"


class EngineUnavailable(KycError):
    """face_recognition or one of the things it needs is missing on this machine."""

    code = "face-engine-unavailable"


class PolicyNotAllowed(KycError):
    """Unknown policy, a policy looser than the safe limit, or a demonstration policy in production."""

    code = "policy-not-allowed"


class InvalidChallenge(KycError):
    """A stored challenge that cannot be read back, or parameters no challenge can be made from."""

    code = "invalid-challenge"


class EvidenceInvalid(KycError):
    """Evidence that does not lead to its root, or a leaf that does not belong to it."""

    code = "face-evidence-invalid"


class SealBroken(KycError):
    """Ciphertext changed, moved to another context, or the key is not the one that sealed it."""

    code = "seal-broken"


class ImageRejected(KycError):
    """An image that is not decoded; the subclass says why."""

    code = "image-rejected"


class UnsupportedImage(ImageRejected):
    """Neither JPEG nor PNG, or not an image at all."""

    code = "image-unsupported"


class ImageTooLarge(ImageRejected):
    """More bytes or more pixels than allowed; found before any pixel is decoded."""

    code = "image-too-large"


class ImageTooSmall(ImageRejected):
    """Too few pixels to hold a face."""

    code = "image-too-small"


class ImageTruncated(ImageRejected):
    """The file ends early or its data is damaged."""

    code = "image-truncated"


class ImageAnimated(ImageRejected):
    """More than one picture in the file, so that two readers could see two faces."""

    code = "image-animated"


class DocumentRejected(KycError):
    """No portrait can be taken from a photographed document; the subclass says why."""

    code = "document-rejected"


class DocumentFaceMissing(DocumentRejected):
    """No face on the document."""

    code = "document-no-face"


class DocumentSeveralFaces(DocumentRejected):
    """More than one face that could be the portrait."""

    code = "document-several-faces"


class DocumentFaceTooSmall(DocumentRejected):
    """Too few pixels to compare with."""

    code = "document-face-too-small"


class DocumentBlurred(DocumentRejected):
    """Out of focus or shaken."""

    code = "document-blurred"


class DocumentGlare(DocumentRejected):
    """A reflection covers a part of the portrait."""

    code = "document-glare"


class FaceCheckFailed(KycError):
    """The face check did not pass; `code` is the reason told to the person."""

    code = "face-check-failed"


class ChallengeExpired(FaceCheckFailed):
    """The frames arrived after the challenge had ended."""

    code = "challenge-expired"


class NonceMismatch(FaceCheckFailed):
    """The challenge belongs to another document, another wording or another attempt."""

    code = "nonce-mismatch"


class FrameChainBroken(FaceCheckFailed):
    """Frames were dropped, added, changed or reordered after capture."""

    code = "frame-chain-broken"


class FramesIncomplete(FaceCheckFailed):
    """Too few frames for an action, too many in all, or their order in time is not one a camera produces."""

    code = "frames-incomplete"


class FrameRejected(FaceCheckFailed):
    """A frame that cannot be used as an image."""

    code = "frame-rejected"

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return f"frame {self.position}: {self.reason}"


class PortraitRejected(FaceCheckFailed):
    """The reference portrait cannot be used; `reason` is the code of an image or face error."""

    code = "portrait-rejected"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoFace(FaceCheckFailed):
    """No face where one must be seen."""

    code = "no-face"

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position

    def __str__(self) -> str:
        return f"no face in frame {self.position}"


class SeveralFaces(FaceCheckFailed):
    """More than one face; nobody guesses which one is meant."""

    code = "several-faces"

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position

    def __str__(self) -> str:
        return f"several faces in frame {self.position}"


class FaceMismatch(FaceCheckFailed):
    """The live face is not, with the certainty that the policy asks for, the face of the portrait."""

    code = "face-mismatch"


class LivenessFailed(FaceCheckFailed):
    """A check of the liveness report failed; `check` is the name of the first one."""

    code = "liveness-failed"

    def __init__(self, check: str) -> None:
        super().__init__(check)
        self.check = check

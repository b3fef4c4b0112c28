"""What identity proofing refuses with, and the Chinese sentences for it and for the domain's own refusals."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from app.problems import Conflict, NotAllowed, Problem, TooManyRequests


class FaceCheckLocked(TooManyRequests):
    """Five failures within a quarter of an hour: locked for an hour."""

    code = "face-check-locked"

    def __init__(self, until: datetime, now: datetime) -> None:
        super().__init__(f"locked until {until.isoformat(timespec='seconds')}", retry_after=_seconds(until, now))
        self.until = until


class TooManyTries(TooManyRequests):
    """No further try today; the day is Beijing's."""

    code = "face-check-tries-spent"

    def __init__(self, until: datetime, now: datetime) -> None:
        super().__init__(f"no tries left until {until.isoformat(timespec='seconds')}", retry_after=_seconds(until, now))
        self.until = until


class TooManyChallenges(TooManyRequests):
    """Challenges were asked for again and again, and not answered."""

    code = "face-challenges-spent"


class FaceChallengeSpent(Problem):
    """The challenge was used, has expired, or belongs to another browser."""

    status, code = HTTPStatus.CONFLICT, "challenge-spent"


class FaceCheckNeeded(Problem):
    """What is asked for is confirmed by a face, and no check that was passed just now confirms it."""

    status, code = HTTPStatus.CONFLICT, "face-check-needed"


class FaceCheckOff(Problem):
    """The operator switched off what the face check needs; the officer-assisted way remains."""

    status, code = HTTPStatus.CONFLICT, "face-check-off"


class NoPortrait(Problem):
    """The bank holds no reference portrait of this person."""

    status, code = HTTPStatus.CONFLICT, "no-portrait"


class OtherFaceWording(Problem):
    """The person agreed to another wording of the consent to face information than the one in force."""

    status, code = HTTPStatus.CONFLICT, "other-face-wording"


class OwnUpload(NotAllowed):
    """Four eyes: whoever uploaded a document does not decide about its portrait."""

    code = "own-upload"


class ReviewClosed(Conflict):
    """Somebody decided before, or another upload took its place."""

    code = "review-closed"


class AssistanceNotOpen(Conflict):
    """The assisted review is not at the step that this act needs, or its time is over."""

    code = "assistance-not-open"


class CodeRefused(Problem):
    """Not the code that the officer handed out, or too late, or tried too often."""

    status, code = HTTPStatus.FORBIDDEN, "assistance-code-refused"


class AlreadyHeld(Conflict):
    """A legal hold stands already, or none does where one is lifted."""

    code = "hold-not-fitting"


def _seconds(until: datetime, now: datetime) -> int:
    return max(1, int((until - now).total_seconds()) + 1)


TEXTS = {
    "face-challenges-spent": "请求核验的次数过多，请一刻钟后再试，或申请人工协助核验。",
    "challenge-spent": "本次验证已失效，请重新开始。",
    "face-check-needed": "请先完成刷脸核验，再确认此操作。",
    "face-check-off": "本行未启用刷脸核验，请选择人工协助核验。",
    "no-portrait": "银行未留存您的比对照片，请联系客户经理。",
    "other-face-wording": "人脸信息同意书已更新，请刷新页面重新阅读。",
    "face-check-locked": "多次未通过，刷脸核验已暂停一小时。您可以稍后再试，或申请人工协助核验。",
    "face-check-tries-spent": "今日刷脸次数已用完，请明天再试，或申请人工协助核验。",
    "own-upload": "证件照片由您上传，须由另一位同事审核。",
    "review-closed": "该审核已经处理过了。",
    "assistance-not-open": "人工协助核验不在可办理的步骤，或已超过时间。",
    "assistance-code-refused": "核验码不正确、已失效或尝试次数过多，请向工作人员索取新的核验码。",
    "hold-not-fitting": "法律保全状态已变化，请刷新后查看。",
    "document-rejected": "无法从证件照片中取得人像。",
    "document-no-face": "证件照片中没有找到人像。",
    "document-several-faces": "证件照片中有多张人脸。",
    "document-face-too-small": "人像太小，请靠近拍摄。",
    "document-blurred": "照片模糊，请重新拍摄。",
    "document-glare": "证件反光，请换个角度。",
}

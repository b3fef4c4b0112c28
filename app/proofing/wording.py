"""What a person agrees to before the camera opens. A version that was ever shown is never changed."""

# ruff: noqa: E501  (a paragraph of the wording is one line, as it is shown)

from __future__ import annotations

from contracts.consent import ConsentWording


def face_wording() -> ConsentWording:
    """The newest wording of the separate consent to face information (PIPL Articles 14, 17, 29, 30; 人脸识别技术应用安全管理办法)."""
    return _WORDINGS[-1]


_WORDINGS = (
    ConsentWording(
        version="face-2026-1",
        text_zh="""处理人脸信息的单独同意

谁在处理：向您发出本页面的银行。
为什么：确认正在办理这项业务的就是您本人，并且出于您的意愿。仅为此目的，不用于其他用途，不对外提供。
怎么做：开启摄像头约 30 秒，拍摄几十张照片；请您按提示转头、张嘴或点头，并用屏幕颜色照亮面部；与银行留存的您的照片比对，并检查是否为真人。不录音。
保存多久：照片和比对记录用您专属的密钥加密，保存至本次业务的举证期限届满后删除；为防止重放，画面的特征摘要加密保存一年。
对您的影响：人脸信息是敏感个人信息，一旦泄露可能被人冒用身份，因此只在必要时采集并加密保存。
您的权利：可以不同意，改由工作人员协助核验，不影响办理业务；也可以随时撤回同意，银行将销毁密钥，撤回前已完成的签署和授权仍然有效。""",
        text_en="""Separate consent to the processing of face information

Who: the bank that sent you this page.
Why: to confirm that it is you who acts here, and of your own will. For nothing else; it is given to nobody else.
How: the camera is on for about 30 seconds and takes a few dozen pictures, while you turn, open your mouth or nod as told and the screen lights your face with colours. They are compared with the photograph of you that the bank holds and checked for a living person. No sound is recorded.
How long: pictures and the record of the comparison are encrypted under a key of your own, kept until the time for proving this business has passed, and then erased. Encrypted features of the pictures are kept for a year, so that no recording can be used twice.
What it means for you: face information is sensitive; if it leaked, somebody could pass for you. So it is taken only where needed and kept encrypted.
Your rights: you may refuse and be verified by an officer instead, with no effect on your business. You may withdraw at any time; the bank then destroys the key. What was signed or authorized before stays in force.""",
    ),
)

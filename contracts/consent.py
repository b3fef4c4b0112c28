"""The exact wording that a signer agrees to, by version. A version that was ever shown is never changed.

`sha256` is what certificate and signature bind to. It covers the canonical form: UTF-8 JSON with sorted keys
and no white space (RFC 8785 for these plain strings) of {"format", "text_en", "text_zh", "version"}.
"""

# ruff: noqa: E501  (a paragraph of the wording is one line, as it is shown)

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from contracts.errors import UnknownWording

_FORMAT = "yunlian-consent-wording/1"
LANGUAGES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class ConsentWording:
    version: str
    text_zh: str
    """The authoritative text."""
    text_en: str
    """A faithful translation for readers who need one."""

    @property
    def sha256(self) -> bytes:
        """32 bytes over `canonical_form()`."""
        return hashlib.sha256(self.canonical_form()).digest()

    def canonical_form(self) -> bytes:
        fields = {
            "format": _FORMAT,
            "text_en": self.text_en,
            "text_zh": self.text_zh,
            "version": self.version,
        }
        return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def text(self, language: str) -> str:
        """The wording in "zh" or "en". Raises UnknownWording."""
        if language not in LANGUAGES:
            raise UnknownWording(f"no wording in language {language!r}")
        return self.text_zh if language == "zh" else self.text_en


def parse_wording(canonical: bytes) -> ConsentWording:
    """Read a canonical form back; only the exact bytes are accepted. Raises UnknownWording."""
    try:
        fields = json.loads(canonical)
        wording = ConsentWording(fields["version"], fields["text_zh"], fields["text_en"])
        exact = wording.canonical_form() == canonical
    except (ValueError, KeyError, TypeError) as exc:
        raise UnknownWording("not a consent wording") from exc
    if not exact:
        raise UnknownWording("not the canonical form of a consent wording")
    return wording


def get_wording(version: str | None = None) -> ConsentWording:
    """The wording in this version, or the newest. Raises UnknownWording."""
    if version is None:
        return _WORDINGS[-1]
    for wording in _WORDINGS:
        if wording.version == version:
            return wording
    raise UnknownWording(f"no consent wording in version {version!r}")


_WORDINGS = (
    ConsentWording(
        version="2026-1",
        text_zh="""签署确认与单独同意

一、本人已完整阅读本次展示的合同文件，理解并同意其全部内容，确认以本人名义或者作为所代表企业的法定代表人签署该文件，签署是本人真实的意思表示。

二、本人同意以电子签名方式签署该文件。签名私钥由本人的浏览器为本次签署生成，仅使用一次，仅由本人控制。本人知悉，依照《中华人民共和国电子签名法》第十三条、第十四条，可靠的电子签名与手写签名或者盖章具有同等的法律效力。

三、【人脸信息的单独同意】依照《中华人民共和国个人信息保护法》第二十九条，本人单独同意：为核验本人身份与签署意愿，采集并处理本人的人脸图像，与本人身份证件照片或者银行已留存的照片进行比对，并进行活体检测。人脸信息属于敏感个人信息，仅用于本次签署及其举证，加密保存至法律规定或者合同约定的期限届满，届满后删除。比对记录的摘要（不含图像）将写入本人的签名证书与本次签名。

四、本人知悉可以不同意上述任何一项而退出本次签署，并可以选择到营业网点以纸质方式签署；撤回对人脸信息处理的同意，不影响撤回前已经完成的签署的效力。""",
        text_en="""Confirmation of signing, and separate consent

1. I have read the whole of the contract document shown to me, understand it and agree to all of it. I sign it in my own name or as the legal representative of the enterprise I act for, and signing it is my true intent.

2. I agree to sign this document by electronic signature. The private key is made by my browser for this one signature, is used once, and is controlled by me alone. I know that under Articles 13 and 14 of the Electronic Signature Law of the People's Republic of China a reliable electronic signature has the same legal force as a handwritten signature or a seal.

3. [Separate consent for face information] Under Article 29 of the Personal Information Protection Law of the People's Republic of China I consent separately to this: to verify my identity and my intent to sign, images of my face are taken and processed, compared with the photograph on my identity document or the one that the bank already holds, and checked for liveness. Face information is sensitive personal information. It is used only for this signing and its proof, is kept encrypted until the period set by law or by the contract ends, and is then erased. A digest of the record of the comparison (without images) is written into my signing certificate and into this signature.

4. I know that I may refuse any of the above and leave this signing, and that I may sign on paper at a branch instead. Withdrawing my consent to the processing of face information does not affect a signing completed before the withdrawal.""",
    ),
    ConsentWording(
        version="2026-2",
        text_zh="""签署确认

一、本人已完整阅读本次展示的合同文件，理解并同意其全部内容，确认以本人名义或者作为所代表企业的法定代表人签署该文件，签署是本人真实的意思表示。

二、本人同意以电子签名方式签署该文件。签名私钥由本人的浏览器为本次签署生成，仅使用一次，仅由本人控制。本人知悉，依照《中华人民共和国电子签名法》第十三条、第十四条，可靠的电子签名与手写签名或者盖章具有同等的法律效力。

三、签署前需核验本人身份与签署意愿。如以人脸方式核验，银行将在开启摄像头之前就人脸信息的处理另行征求本人的单独同意；本人可以不同意，改由工作人员协助核验。核验记录的摘要（不含图像）将写入本人的签名证书与本次签名。

四、本人知悉可以不同意上述任何一项而退出本次签署，并可以选择到营业网点以纸质方式签署。""",
        text_en="""Confirmation of signing

1. I have read the whole of the contract document shown to me, understand it and agree to all of it. I sign it in my own name or as the legal representative of the enterprise I act for, and signing it is my true intent.

2. I agree to sign this document by electronic signature. The private key is made by my browser for this one signature, is used once, and is controlled by me alone. I know that under Articles 13 and 14 of the Electronic Signature Law of the People's Republic of China a reliable electronic signature has the same legal force as a handwritten signature or a seal.

3. Before I sign, my identity and my intent to sign are verified. If this is done by my face, the bank asks for my separate consent to the processing of face information before the camera opens; I may refuse and be verified by an officer instead. A digest of the record of the verification (without images) is written into my signing certificate and into this signature.

4. I know that I may refuse any of the above and leave this signing, and that I may sign on paper at a branch instead.""",
    ),
)

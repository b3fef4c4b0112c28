"""Refusals of verification and evidence, and the Chinese sentences for them."""

from __future__ import annotations

from http import HTTPStatus

from app.problems import Problem


class EvidenceNotReady(Problem):
    """The contract is not completed, or what is needed was forgotten or is not sealed yet."""

    status, code = HTTPStatus.CONFLICT, "evidence-not-ready"


class UploadNotPdf(Problem):
    """What was uploaded is no PDF."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "upload-not-pdf"


class FileRefused(Problem):
    """Nothing was uploaded, or too much."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "file-refused"


TEXTS = {
    "file-refused": "请选择一个不超过 10 MB 的文件。",
    "evidence-not-ready": "证据尚未就绪：合同未完成归档，或日志正在封存，请稍后再试。",
    "upload-not-pdf": "请上传 PDF 文件。",
    "invalid-evidence": "证据包验证未通过。",
}

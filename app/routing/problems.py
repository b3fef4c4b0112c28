"""What routing refuses with, and how to say it in Chinese."""

from __future__ import annotations

from app.problems import Unavailable


class DirectoryMissing(Unavailable):
    """No version of the bank directory is loaded."""

    code = "directory-missing"


TEXTS = {
    "directory-missing": "行名行号库尚未导入，暂时无法识别收款行。",
}

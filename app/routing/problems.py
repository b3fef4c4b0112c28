"""What routing refuses with, and how to say it in Chinese."""

from __future__ import annotations

from app.problems import Unavailable


class DirectoryMissing(Unavailable):
    """No version of the bank directory is loaded."""

    code = "directory-missing"


class DirectoryPreparing(DirectoryMissing):
    """A version is loaded, and this machine prepares it for the first time; try again in seconds."""

    code = "directory-preparing"


TEXTS = {
    "directory-preparing": "行名行号库正在准备，请稍后再试。",
    "directory-missing": "行名行号库尚未导入，暂时无法识别收款行。",
}

"""What log-in, accounts, persons and four-eyes decisions refuse with."""

from __future__ import annotations

from http import HTTPStatus

from app.problems import Conflict, NotAllowed, NotAuthenticated, NotFound, Problem


class InvalidCredentials(NotAuthenticated):
    """One answer for an unknown login, a wrong password, a wrong or spent code and a locked account."""

    code = "invalid-credentials"


class TenantExists(Conflict):
    """Another tenant has this unified social credit code."""

    code = "tenant-exists"


class LoginTaken(Conflict):
    """Another account has this login."""

    code = "login-taken"


class PersonExists(Conflict):
    """The tenant already has a person with this identity number."""

    code = "person-exists"


class PersonForgotten(NotFound):
    """The person's data key was destroyed: nothing sealed under it is ever read again."""

    code = "person-forgotten"


class KeyExists(Conflict):
    """The holder has a data key, which nothing replaces: what it sealed would be lost."""

    code = "data-key-exists"


class WeakPassword(Problem):
    """The password does not follow the rules of app/identity/passwords.py."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "weak-password"


class RoleNotFitting(Problem):
    """The role belongs to another kind of tenant."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "role-not-fitting"


class OwnAccount(NotAllowed):
    """Nobody disables the account that one is logged in with."""

    code = "own-account"


class OwnDecision(NotAllowed):
    """Four eyes: whoever proposed does not confirm."""

    code = "own-decision"


class AlreadyDecided(Conflict):
    """The decision was confirmed or rejected before."""

    code = "already-decided"


TEXTS = {
    "invalid-credentials": "登录名、密码或动态码不正确，或者账户因连续五次失败被锁定 15 分钟。",
    "tenant-exists": "该统一社会信用代码已经登记。",
    "login-taken": "该登录名已被使用。",
    "person-exists": "该机构已登记过这一身份证号码。",
    "person-forgotten": "该人员的个人信息已按其要求删除。",
    "data-key-exists": "数据密钥已存在。",
    "weak-password": "密码须为 12 至 128 个字符，且不得包含登录名或由同一字符组成。",
    "role-not-fitting": "该角色不适用于这类机构。",
    "own-account": "不能停用自己正在使用的账户。",
    "own-decision": "不能复核自己提出的申请，请由另一位同事复核。",
    "already-decided": "该申请已经处理过了。",
}

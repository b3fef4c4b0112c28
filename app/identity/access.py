"""Who is asking, and may they: the session cookie, the account of the request, the role check of pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.identity import sessions
from app.identity.models import Account, Role
from app.problems import NotAllowed, NotAuthenticated
from app.wiring import current_services

# The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2).
COOKIE = "__Host-yunlian"

P = ParamSpec("P")
R = TypeVar("R")


def current_account() -> Account | None:
    """The logged-in account of this request, looked up once; None for a stranger.

    Whoever still has to choose an own password and second factor is a stranger everywhere but on that one page.
    """
    if "account" not in g:
        found = _find_account()
        g.account = None if found is None or found.provisional else found
    account: Account | None = g.account
    return account


def provisional_account() -> Account | None:
    """The account of this request when it logged in with what somebody else has seen, else None."""
    found = _find_account()
    return found if found is not None and found.provisional else None


def known_account() -> Account | None:
    """As `current_account`, but looks nothing up: for error pages, where the database may be the error."""
    account: Account | None = g.get("account")
    return account


def get_account() -> Account:
    """The logged-in account. Raises NotAuthenticated."""
    account = current_account()
    if account is None:
        raise NotAuthenticated("please log in")
    return account


def requires(*roles: Role) -> Callable[[Callable[P, R]], Callable[P, R | AnyResponse]]:
    """Let only these roles pass; without roles, everyone who is logged in.

    A browser that asks for a page is sent to /login and comes back; anything else gets NotAuthenticated.
    A wrong role gets NotAllowed.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R | AnyResponse]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | AnyResponse:
            account = current_account()
            if account is None:
                if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
                    return redirect(url_for("identity.login", next=request.full_path.rstrip("?")))
                raise NotAuthenticated("please log in")
            if roles and account.role not in roles:
                raise NotAllowed("this page is for another role")
            return view(*args, **kwargs)

        return guarded

    return decorate


def _find_account() -> Account | None:
    token = request.cookies.get(COOKIE)
    return sessions.find_account(current_services(), token) if token else None


def local_path(target: str | None) -> str:
    """The target when it is a path of this service, otherwise "/": nobody is forwarded to strangers."""
    if not target or not target.startswith("/") or target.startswith("//") or not target.isprintable():
        return "/"
    if "\\" in target or urlsplit(target).netloc:
        return "/"
    return target


def set_cookie(response: Response | AnyResponse, token: str) -> None:
    """Hand the session to the browser; it ends with the browser, and on the server after 12 hours at most."""
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="Lax", path="/")


def clear_cookie(response: Response | AnyResponse) -> None:
    """Take the session back."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax", path="/")

"""Tenants, accounts and log-in, in the order in which they happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import case, literal, null, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import UtcDateTime, new_id
from app.identity import addresses, passwords, second_factor, sessions
from app.identity.models import Account, Role, Tenant, TenantKind
from app.identity.problems import (
    InvalidCredentials,
    LoginTaken,
    OwnAccount,
    RoleNotFitting,
    TenantExists,
    WeakPassword,
)
from app.journal.strangers import Strangers
from app.problems import NotAllowed, NotFound, TooManyRequests, Unavailable
from pki.identifiers import parse_uscc

if TYPE_CHECKING:
    from app.wiring import Services

MOST_FAILURES = 5
LOCK = timedelta(minutes=15)
UNKNOWN = "account:unknown"  # journaled for a login that nobody has; what was typed may be a password
_strangers = Strangers()

ROLES_OF = {
    TenantKind.BANK: (Role.OPERATOR, Role.COMPLIANCE_OFFICER, Role.CERTIFICATE_OFFICER, Role.AUDITOR),
    TenantKind.ENTERPRISE: (Role.ENTERPRISE_USER,),
    TenantKind.PLATFORM: (Role.PLATFORM_USER,),
}


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A fresh account and the second factor that is told once."""

    account: Account
    totp_secret: str = field(repr=False)
    provisioning_uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactorOffer:
    """A second factor that waits for its first code; `sealed` (hexadecimal) goes through the form and back."""

    secret: str = field(repr=False)
    provisioning_uri: str = field(repr=False)
    sealed: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The account and the token for its session cookie."""

    account: Account
    token: str = field(repr=False)


def create_tenant(
    services: Services, session: Session, *, kind: TenantKind, name: str, uscc: str, actor: str
) -> Tenant:
    """Register the bank, an enterprise or a platform. Raises InvalidIdentifier (GB 32100), TenantExists."""
    if kind == TenantKind.BANK and session.scalars(select(Tenant.id).where(Tenant.kind == TenantKind.BANK)).first():
        raise TenantExists("the bank is registered already")
    tenant = Tenant(id=new_id(), kind=TenantKind(kind), name=name, uscc=parse_uscc(uscc), created_at=services.clock())
    _add(session, tenant, TenantExists("a tenant with this unified social credit code is registered"))
    services.journal.append(
        session,
        "tenant-created",
        subject=tenant.id,
        actor=actor,
        body={"kind": str(tenant.kind), "uscc": tenant.uscc},
    )
    return tenant


def create_account(
    services: Services,
    session: Session,
    *,
    tenant_id: str,
    login: str,
    name: str,
    role: Role,
    password: str,
    actor: str,
    provisional: bool = False,
) -> NewAccount:
    """Create a log-in with a second factor. Raises NotFound, RoleNotFitting, WeakPassword, LoginTaken."""
    prepared = prepare_account(
        services,
        session,
        tenant_id=tenant_id,
        login=login,
        name=name,
        role=role,
        password=password,
        provisional=provisional,
    )
    add_account(services, session, prepared.account, actor=actor)
    return prepared


def prepare_account(
    services: Services,
    session: Session,
    *,
    tenant_id: str,
    login: str,
    name: str,
    role: Role,
    password: str,
    provisional: bool = False,
) -> NewAccount:
    """Check and make what `add_account` stores; `provisional` where somebody else knows password and second factor.

    Raises NotFound, RoleNotFitting, WeakPassword, LoginTaken.
    """
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound("no such tenant")
    if role not in ROLES_OF[TenantKind(tenant.kind)]:
        raise RoleNotFitting(f"{role} is no role of a tenant of kind {tenant.kind}")
    login = login.strip().lower()
    passwords.check_password(password, login)
    if session.scalar(select(Account.id).where(Account.login == login)):
        raise LoginTaken("another account has this login")
    account_id, secret = new_id(), second_factor.new_secret()
    account = Account(
        id=account_id,
        tenant_id=tenant_id,
        tenant=tenant,
        login=login,
        name=name.strip(),
        role=Role(role),
        password_hash=passwords.hash_password(password),
        totp_sealed=second_factor.seal_secret(services.settings.data_key, account_id, secret),
        created_at=services.clock(),
        provisional=provisional,
    )
    return NewAccount(account, secret, second_factor.provisioning_uri(secret, login))


def add_account(services: Services, session: Session, account: Account, *, actor: str) -> None:
    """Store a prepared account, which can log in from now on. Raises LoginTaken."""
    _add(session, account, LoginTaken("another account has this login"))
    body = {"tenant": account.tenant_id, "role": str(account.role)}
    services.journal.append(session, "account-created", subject=account.id, actor=actor, body=body)


def log_in(services: Services, *, login: str, password: str, code: str, address: str = "") -> LoggedIn:
    """Check password and second factor and start a session. Raises InvalidCredentials, always the same one, and
    TooManyRequests where too many failed from this network address.

    Opens its own transactions: the attempt is counted and journaled before anything is checked, so that it
    survives the refusal, and so that no number of parallel guesses gets past the lock. The slow hash runs
    between them, where it holds no lock of the database.
    """
    try:
        addresses.count_log_in(services, address)
    except TooManyRequests:
        _strangers.note(services, "log-in-throttled", subject=UNKNOWN, actor=UNKNOWN)
        raise
    account = record_attempt(services, login)
    # 1. Both factors are always computed, for an unknown or locked login too: the time taken tells nothing.
    password_good = passwords.is_password(password, account.password_hash if account else None)
    secret = _secret_of(services, account) if account else None
    step = second_factor.find_step(secret, code, services.clock())
    if account is None or not password_good or step is None or account.disabled_at is not None:
        raise InvalidCredentials("the login, the password or the code is wrong, or the account is locked")
    # 2. One UPDATE spends the time step and clears the count; of two log-ins with one code one gets through.
    with services.transaction() as session:
        spent = session.execute(
            update(Account)
            .where(Account.id == account.id, Account.totp_step < step, Account.disabled_at.is_(None))
            .values(totp_step=step, failed_attempts=0, locked_until=None)
        )
        if spent.rowcount != 1:  # type: ignore[attr-defined]
            raise InvalidCredentials("the login, the password or the code is wrong, or the account is locked")
        token = sessions.begin(services, session, account)
        services.journal.append(session, "logged-in", subject=account.id, actor=account.id, body={})
    addresses.forgive_log_in(services, address)
    return LoggedIn(account, token)


def record_attempt(services: Services, login: str) -> Account | None:
    """Count one attempt in a transaction of its own; the account, or None when unknown or locked.

    The fifth attempt without a success locks for 15 minutes; a success clears the count. Attempts at unknown and
    locked accounts, which anybody may go on with, are journaled in bounded number.
    """
    now = services.clock()
    lock_over = Account.locked_until.is_not(None)  # with the WHERE below: there was a lock, and it has ended
    attempts = case((lock_over, 1), else_=Account.failed_attempts + 1)
    until = literal(now + LOCK, UtcDateTime())
    fatal = Account.failed_attempts + 1 >= MOST_FAILURES
    locked_until = case((lock_over, null()), (fatal, until), else_=null())
    with services.transaction() as session:
        counted = session.scalar(
            update(Account)
            .where(
                Account.login == login.strip().lower(),
                Account.locked_until.is_(None) | (Account.locked_until <= now),
            )
            .values(failed_attempts=attempts, locked_until=locked_until)
            .returning(Account.id)
        )
        account = session.get(Account, counted, populate_existing=True) if counted else None
        if account is not None:
            body = {"attempt": account.failed_attempts}
            services.journal.append(session, "log-in-attempted", subject=account.id, actor=account.id, body=body)
    if account is None:
        _strangers.note(services, "log-in-attempted", subject=UNKNOWN, actor=UNKNOWN)
    return account


def log_out(services: Services, session: Session, token: str, account: Account) -> None:
    """End the session of this browser."""
    sessions.end(session, token)
    services.journal.append(session, "logged-out", subject=account.id, actor=account.id, body={})


def change_password(services: Services, account: Account, *, current: str, new: str) -> str:
    """Change the own password, end every session and return the token of a new one.

    Raises WeakPassword, InvalidCredentials. A wrong current password counts like a failed log-in, or a stolen
    session could be used to guess it.
    """
    passwords.check_password(new, account.login)
    attempted = record_attempt(services, account.login)
    if not passwords.is_password(current, attempted.password_hash if attempted else None):
        raise InvalidCredentials("the current password is wrong, or the account is locked")
    password_hash = passwords.hash_password(new)
    with services.transaction() as session:
        session.execute(
            update(Account)
            .where(Account.id == account.id)
            .values(password_hash=password_hash, failed_attempts=0, locked_until=None)
        )
        sessions.end_all(session, account.id)
        services.journal.append(session, "password-changed", subject=account.id, actor=account.id, body={})
        return sessions.begin(services, session, account)


def offer_second_factor(services: Services, account: Account) -> SecondFactorOffer:
    """A new second factor for whoever just logged in with one that somebody else has seen."""
    secret = second_factor.new_secret()
    sealed = second_factor.seal_secret(services.settings.data_key, account.id, secret)
    return SecondFactorOffer(secret, second_factor.provisioning_uri(secret, account.login), sealed.hex())


def open_offer(services: Services, account: Account, sealed: str) -> SecondFactorOffer:
    """The offer that a form carried back. Raises Unavailable when it is not one of this account's."""
    try:
        secret = second_factor.open_secret(services.settings.data_key, account.id, bytes.fromhex(sealed))
    except ValueError as exc:
        raise Unavailable("the offer of a second factor cannot be read") from exc
    return SecondFactorOffer(secret, second_factor.provisioning_uri(secret, account.login), sealed)


def make_own(services: Services, account: Account, *, new: str, offer: SecondFactorOffer, code: str) -> str:
    """Replace password and second factor by ones that nobody else has seen; the token of a new session.

    Raises WeakPassword (also for the password that was handed over), InvalidCredentials for a wrong code.
    """
    passwords.check_password(new, account.login)
    if passwords.is_password(new, account.password_hash):
        raise WeakPassword("the new password is the one that was handed over")
    step = second_factor.find_step(offer.secret, code, services.clock())
    if step is None:
        raise InvalidCredentials("the code is not of the new second factor")
    values = {
        "password_hash": passwords.hash_password(new),
        "totp_sealed": bytes.fromhex(offer.sealed),
        "totp_step": step,
        "provisional": False,
    }
    with services.transaction() as session:
        own = update(Account).where(Account.id == account.id, Account.provisional.is_(True)).values(values)
        if session.execute(own).rowcount != 1:  # type: ignore[attr-defined]
            raise InvalidCredentials("password and second factor were changed before")
        sessions.end_all(session, account.id)
        for kind in ("password-changed", "second-factor-changed"):
            services.journal.append(session, kind, subject=account.id, actor=account.id, body={})
        return sessions.begin(services, session, account)


def disable_account(services: Services, session: Session, account_id: str, *, actor: str) -> None:
    """Close an account for ever and end its sessions. Raises NotFound, OwnAccount."""
    if account_id == actor:
        raise OwnAccount("the account in use cannot be disabled")
    account = session.get(Account, account_id)
    if account is None or account.disabled_at is not None:
        raise NotFound("no such account")
    account.disabled_at = services.clock()
    sessions.end_all(session, account.id)
    services.journal.append(session, "account-disabled", subject=account.id, actor=actor, body={})


def list_tenants(session: Session, *, kind: TenantKind | None = None) -> list[Tenant]:
    """All tenants, or those of one kind, by name."""
    query = select(Tenant).order_by(Tenant.name)
    return list(session.scalars(query if kind is None else query.where(Tenant.kind == kind)))


def list_accounts(session: Session, *, tenant_id: str | None = None) -> list[Account]:
    """All accounts, or those of one tenant, newest first."""
    query = select(Account).order_by(Account.id.desc())
    return list(session.scalars(query if tenant_id is None else query.where(Account.tenant_id == tenant_id)))


def get_demonstration_code(services: Services, session: Session, login: str) -> str:
    """The one-time code of now. Raises NotAllowed in production, NotFound."""
    if services.settings.production:
        raise NotAllowed("codes are told outside production only")
    account = session.scalar(select(Account).where(Account.login == login))
    if account is None:
        raise NotFound("no such account")
    return second_factor.code_at(_secret_of(services, account), services.clock())


def _secret_of(services: Services, account: Account) -> str:
    return second_factor.open_secret(services.settings.data_key, account.id, account.totp_sealed)


def _add(session: Session, row: Tenant | Account, taken: Exception) -> None:
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as exc:
        raise taken from exc

"""The second factor once more, before an act that a stolen session must not be able to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from app.identity import second_factor
from app.identity.models import Account
from app.identity.problems import InvalidCredentials
from app.identity.service import record_attempt

if TYPE_CHECKING:
    from app.wiring import Services


def confirm_code(services: Services, account: Account, code: str) -> None:
    """Spend a code of the account's second factor. Raises InvalidCredentials, also where the account is locked.

    Opens its own transactions: an attempt is counted as one to log in, so that nobody guesses on in a session.
    """
    attempted = record_attempt(services, account.login)
    secret = second_factor.open_secret(services.settings.data_key, account.id, account.totp_sealed)
    step = second_factor.find_step(secret, code, services.clock())
    if attempted is None or step is None:
        raise InvalidCredentials("the code is wrong or was used before, or the account is locked")
    with services.transaction() as session:
        spent = session.scalar(
            update(Account)
            .where(Account.id == account.id, Account.totp_step < step, Account.disabled_at.is_(None))
            .values(totp_step=step, failed_attempts=0, locked_until=None)
            .returning(Account.id)
        )
    if spent is None:
        raise InvalidCredentials("the code is wrong or was used before, or the account is locked")

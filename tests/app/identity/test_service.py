"""Tenants and accounts: what is refused, and the second factor that is sealed for its account alone."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.identity import second_factor, service
from app.identity.models import Account, Role, TenantKind
from app.identity.problems import LoginTaken, OwnAccount, RoleNotFitting, TenantExists, WeakPassword
from app.problems import NotFound, Unavailable
from pki.errors import InvalidIdentifier
from tests.app.identity.people import PASSWORD, People, uscc


def test_a_uscc_is_checked_and_unique(people: People) -> None:
    wrong = uscc(9)[:-1] + ("0" if uscc(9)[-1] != "0" else "1")
    for code, refusal in ((wrong, InvalidIdentifier), (uscc(1), TenantExists)):
        with people.services.transaction() as session, pytest.raises(refusal):
            service.create_tenant(
                people.services, session, kind=TenantKind.ENTERPRISE, name="企业", uscc=code, actor="test"
            )


def test_a_login_is_unique_whatever_its_case(people: People) -> None:
    with pytest.raises(LoginTaken):
        people.add_account("OPERATOR", Role.OPERATOR, people.tenants[TenantKind.BANK])


@pytest.mark.parametrize("kind", [*TenantKind])
@pytest.mark.parametrize("role", [*Role])
def test_roles_belong_to_kinds_of_tenants(people: People, kind: TenantKind, role: Role) -> None:
    if role in service.ROLES_OF[kind]:
        people.add_account("new", role, people.tenants[kind])
    else:
        with pytest.raises(RoleNotFitting):
            people.add_account("new", role, people.tenants[kind])


@pytest.mark.parametrize("password", ["", "elevenchars", "aaaaaaaaaaaaaaaa", "x-newcomer-2026", "a1" * 65])
def test_weak_passwords_are_refused(people: People, password: str) -> None:
    with people.services.transaction() as session, pytest.raises(WeakPassword):
        service.create_account(
            people.services,
            session,
            tenant_id=people.tenants[TenantKind.BANK].id,
            login="newcomer",
            name="新人",
            role=Role.AUDITOR,
            password=password,
            actor="test",
        )


def test_neither_password_nor_secret_is_stored_readably(people: People) -> None:
    with people.services.reading() as session:
        account = session.scalars(select(Account).where(Account.login == "operator")).one()
    assert account.password_hash.startswith("$argon2id$")
    assert PASSWORD not in account.password_hash
    assert people.secrets["operator"].encode() not in account.totp_sealed
    key = people.services.settings.data_key
    assert second_factor.open_secret(key, account.id, account.totp_sealed) == people.secrets["operator"]
    for other_key, other_id in ((bytes(32), account.id), (key, people.accounts["auditor"].id)):
        with pytest.raises(Unavailable):
            second_factor.open_secret(other_key, other_id, account.totp_sealed)


def test_disabling(people: People) -> None:
    own, other = people.accounts["operator"].id, people.accounts["auditor"].id
    with people.services.transaction() as session:
        service.disable_account(people.services, session, other, actor=own)
    for account_id, refusal in ((own, OwnAccount), (other, NotFound), ("nobody", NotFound)):
        with people.services.transaction() as session, pytest.raises(refusal):
            service.disable_account(people.services, session, account_id, actor=own)


def test_there_is_one_bank(people: People) -> None:
    with pytest.raises(TenantExists):
        people.add_tenant(TenantKind.BANK, 77)

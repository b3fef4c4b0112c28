"""Four eyes: another person, the same tenant, the right role, once, and both or neither."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.identity import decisions
from app.identity.models import DecisionState, Role, TenantKind
from app.identity.problems import AlreadyDecided, OwnDecision
from app.problems import Conflict, NotAllowed, NotFound
from tests.app.identity.people import People

done: list[str] = []


@pytest.fixture(autouse=True, scope="module")
def kinds() -> Iterator[None]:
    @decisions.carries_out("test-note", by=(Role.OPERATOR,))
    def _note(services: Any, session: Any, decision: Any) -> str:
        done.append(decision.payload["word"])
        if decision.payload["word"] == "refuse":
            raise Conflict("not now")
        services.journal.append(session, "noted", subject=decision.id, actor=decision.decided_by, body={})
        return decision.payload["word"]

    @decisions.carries_out("test-same-role")
    def _same_role(services: Any, session: Any, decision: Any) -> None: ...

    yield
    del decisions._kinds["test-note"], decisions._kinds["test-same-role"]


def propose(people: People, word: str = "hello", by: str = "operator", kind: str = "test-note") -> str:
    with people.services.transaction() as session:
        account = people.accounts[by]
        return decisions.propose(people.services, session, kind, {"word": word}, "a reason", account).id


def confirm(people: People, decision_id: str, by: str) -> Any:
    with people.services.transaction() as session:
        return decisions.confirm(people.services, session, decision_id, people.accounts[by])


def state_of(people: People, decision_id: str) -> str:
    with people.services.reading() as session:
        return session.get_one(decisions.Decision, decision_id).state


def test_another_person_confirms_and_it_is_carried_out(people: People) -> None:
    assert confirm(people, propose(people), "operator2") == "hello"
    with people.services.reading() as session:
        kinds = [entry.kind for entry in people.services.journal.entries(session, 3)]
    assert kinds == ["noted", "decision-confirmed", "decision-proposed"]


def test_nobody_confirms_the_own_proposal(people: People) -> None:
    proposed = propose(people)
    with pytest.raises(OwnDecision):
        confirm(people, proposed, "operator")
    assert state_of(people, proposed) == DecisionState.PROPOSED


@pytest.mark.parametrize("by", ["auditor", "certificate-officer"])
def test_another_role_neither_proposes_nor_confirms(people: People, by: str) -> None:
    with pytest.raises(NotAllowed):
        propose(people, by=by)
    proposed = propose(people)
    with pytest.raises(NotAllowed):
        confirm(people, proposed, by)


def test_another_tenant_does_not_see_it(people: People) -> None:
    other = people.add_account("stranger", Role.ENTERPRISE_USER, people.tenants[TenantKind.ENTERPRISE])
    proposed = propose(people)
    with pytest.raises(NotFound):
        confirm(people, proposed, "stranger")
    with people.services.reading() as session:
        assert decisions.list_decisions(session, other) == []


def test_without_named_roles_it_takes_the_proposers(people: People) -> None:
    proposed = propose(people, by="certificate-officer", kind="test-same-role")
    with pytest.raises(NotAllowed):
        confirm(people, proposed, "operator")
    confirm(people, proposed, "certificate-officer2")


def test_two_threads_confirm_once(people: People) -> None:
    people.add_account("operator3", Role.OPERATOR, people.tenants[TenantKind.BANK])
    proposed = propose(people, "once")
    done.clear()

    def one(login: str) -> bool:
        try:
            confirm(people, proposed, login)
        except AlreadyDecided:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(one, ["operator2", "operator3"])) == [False, True]
    assert done == ["once"]


def test_what_fails_leaves_the_decision_open(people: People) -> None:
    proposed = propose(people, "refuse")
    with pytest.raises(Conflict):
        confirm(people, proposed, "operator2")
    assert state_of(people, proposed) == DecisionState.PROPOSED


def test_rejected_is_rejected(people: People) -> None:
    proposed = propose(people)
    with people.services.transaction() as session:
        decisions.reject(people.services, session, proposed, people.accounts["operator2"])
    with pytest.raises(AlreadyDecided):
        confirm(people, proposed, "operator2")


def test_the_proposer_may_withdraw(people: People) -> None:
    proposed = propose(people)
    with people.services.transaction() as session:
        decisions.reject(people.services, session, proposed, people.accounts["operator"])
    assert state_of(people, proposed) == DecisionState.REJECTED


def test_the_inbox_shows_open_ones_first(people: People) -> None:
    closed = propose(people, "closed")
    confirm(people, closed, "operator2")
    waiting = propose(people, "open")
    closed_later = propose(people, "closed later")
    confirm(people, closed_later, "operator2")
    with people.services.reading() as session:
        rows = decisions.list_decisions(session, people.accounts["operator2"])
    assert [decision.id for decision, _, _ in rows] == [waiting, closed_later, closed]
    assert rows[0][1].login == "operator"
    assert rows[0][2] is None
    assert rows[1][2].login == "operator2"


def test_two_functions_for_one_kind_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="test-note"):
        decisions.carries_out("test-note")(lambda *_: None)

"""Answers on record, what people confirm, and deciding again."""

from dataclasses import replace

import pytest

from app.problems import Conflict, InvalidInput, NotFound
from app.routing import service
from app.routing.messages import ConfirmRequest, ResolveRequest, resolution_body
from app.routing.models import RoutingAlias, RoutingDecision
from app.routing.problems import DirectoryMissing
from app.routing.recognition import Decision, Resolution, RoutingQuery
from app.wiring import Services, build_services

QUERY = RoutingQuery("建行杭州分行营业部")
VAGUE = RoutingQuery("建行中山路支行", account="6217001234567890123")


def ask(services: Services, query: RoutingQuery) -> Resolution:
    with services.reading() as session:
        return service.resolve(services, session, query)


def ask_on_record(services: Services, query: RoutingQuery, actor: str = "app-1") -> Resolution:
    with services.transaction() as session:
        found = service.resolve_many(services, session, [query])
        return service.record(services, session, [(query, found[0])], actor)[0]


def confirm(services: Services, resolution: Resolution, place: int = 0, actor: str = "app-1") -> RoutingAlias:
    assert resolution.decision_id is not None
    with services.transaction() as session:
        code = resolution.candidates[place].branch.code
        return service.confirm(services, session, resolution.decision_id, code, actor)


def review(services: Services, alias: RoutingAlias, *, accept: bool) -> RoutingAlias:
    with services.transaction() as session:
        return service.review(services, session, alias.id, accept=accept, officer="officer-1")


def test_it_routes_out_of_the_box_and_says_by_what(sandboxed: Services) -> None:
    body = resolution_body(ask(sandboxed, QUERY))
    assert body["decision"] == "auto"
    assert body["bank"]["id"] == "ccb"
    assert body["city"] == {"area_code": "3310", "name": "杭州"}
    assert body["same_bank"] is False
    assert body["directory"] == {"version": "sandbox-1", "kind": "sandbox"}
    assert body["confidence"] >= body["threshold"]


def test_the_home_bank_is_a_setting(sandboxed: Services) -> None:
    ccb = build_services(replace(sandboxed.settings, home_bank="ccb"), sandboxed.clock)
    assert resolution_body(ask(ccb, QUERY))["same_bank"] is True
    ccb.engine.dispose()


def test_without_a_directory_it_says_so(services: Services) -> None:
    with pytest.raises(DirectoryMissing):
        ask(services, QUERY)


def test_many_are_answered_in_order(sandboxed: Services) -> None:
    queries = [QUERY, RoutingQuery(""), RoutingQuery("工行苏州分行营业部"), RoutingQuery("花园"), QUERY] * 10
    with sandboxed.reading() as session:
        found = service.resolve_many(sandboxed, session, queries)
    assert [r.bank.id if r.bank else None for r in found] == ["ccb", None, "icbc", None, "ccb"] * 10


def test_a_decision_is_given_again_and_keeps_no_account_number(sandboxed: Services) -> None:
    resolution = ask_on_record(sandboxed, VAGUE)
    assert resolution.decision_id is not None
    with sandboxed.reading() as session:
        stored = session.get_one(RoutingDecision, resolution.decision_id)
        assert stored.query["account"] == "62170012***********"
        replayed = service.replay(sandboxed, session, resolution.decision_id)
    assert replayed.is_same
    assert replayed.again["reasons"] == list(resolution.reasons)


def test_a_decision_by_other_rules_is_not_called_different(sandboxed: Services) -> None:
    resolution = ask_on_record(sandboxed, VAGUE)
    with sandboxed.transaction() as session:
        session.get_one(RoutingDecision, resolution.decision_id).policy_version = "routing-0"
    with pytest.raises(NotFound, match="routing-0"), sandboxed.reading() as session:
        service.replay(sandboxed, session, str(resolution.decision_id))


def test_an_unknown_decision_is_not_replayed(sandboxed: Services) -> None:
    with pytest.raises(NotFound), sandboxed.reading() as session:
        service.replay(sandboxed, session, "0" * 26)


def test_a_confirmed_choice_counts_after_an_officers_review_only(sandboxed: Services) -> None:
    asked = ask_on_record(sandboxed, VAGUE)
    assert asked.decision is Decision.CONFIRM
    alias = confirm(sandboxed, asked, place=1)
    assert ask(sandboxed, VAGUE).decision is Decision.CONFIRM

    review(sandboxed, alias, accept=True)

    learned = ask(sandboxed, VAGUE)
    assert learned.decision is Decision.AUTO
    assert learned.reasons == ("confirmed-alias",)
    assert learned.branch == asked.candidates[1].branch


def test_what_was_learned_later_does_not_change_what_was_decided(sandboxed: Services) -> None:
    before = ask_on_record(sandboxed, VAGUE)
    review(sandboxed, confirm(sandboxed, before), accept=True)
    after = ask_on_record(sandboxed, VAGUE)
    assert before.decision_id is not None
    assert after.decision_id is not None
    with sandboxed.reading() as session:
        assert service.replay(sandboxed, session, after.decision_id).is_same


def test_a_withdrawn_alias_counts_no_longer(sandboxed: Services) -> None:
    alias = confirm(sandboxed, ask_on_record(sandboxed, VAGUE))
    review(sandboxed, alias, accept=True)
    review(sandboxed, alias, accept=False)
    assert ask(sandboxed, VAGUE).decision is Decision.CONFIRM


def test_the_same_words_never_stand_for_two_branches(sandboxed: Services) -> None:
    asked = ask_on_record(sandboxed, VAGUE)
    first, second = confirm(sandboxed, asked, 0), confirm(sandboxed, asked, 1)
    review(sandboxed, first, accept=True)
    with pytest.raises(Conflict):
        review(sandboxed, second, accept=True)
    review(sandboxed, second, accept=False)
    with pytest.raises(Conflict):
        review(sandboxed, second, accept=True)


def test_confirming_again_counts_and_proposes_nothing_new(sandboxed: Services) -> None:
    asked = ask_on_record(sandboxed, VAGUE)
    confirm(sandboxed, asked)
    assert confirm(sandboxed, asked).confirmations == 2
    with sandboxed.reading() as session:
        assert len(service.list_aliases(session)) == 1


def test_only_who_asked_may_choose_and_only_a_candidate(sandboxed: Services) -> None:
    asked = ask_on_record(sandboxed, VAGUE)
    with pytest.raises(NotFound):
        confirm(sandboxed, asked, actor="app-2")
    assert asked.decision_id is not None
    with pytest.raises(InvalidInput), sandboxed.transaction() as session:
        service.confirm(sandboxed, session, asked.decision_id, "102100000000", "app-1")


def test_the_message_takes_odd_texts_and_no_unknown_members() -> None:
    assert ResolveRequest.model_validate({"text": "\x00" * 10_000}).to_query().text == "\x00" * 10_000
    with pytest.raises(ValueError, match="extra"):
        ResolveRequest.model_validate({"text": "", "amount": 1})


def test_one_question_or_many_but_not_both() -> None:
    assert len(ResolveRequest.model_validate({"queries": [{"text": "工行"}] * 1000}).queries or []) == 1000
    for wrong in (
        {
            "queries": [],
        },
        {"queries": [{}] * 1001},
        {"text": "工行", "queries": [{}]},
    ):
        with pytest.raises(ValueError, match="quer"):
            ResolveRequest.model_validate(wrong)


def test_a_choice_has_the_form_of_one() -> None:
    with pytest.raises(ValueError, match="clearing_code"):
        ConfirmRequest.model_validate({"decision_id": "0" * 26, "clearing_code": "1"})

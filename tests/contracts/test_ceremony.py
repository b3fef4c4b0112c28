"""Whatever order people act in, a ceremony never takes a step that its rules forbid, and loses none that it took."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import ceremony as rules
from contracts.ceremony import CeremonyState, PartyState, SigningOrder
from contracts.errors import (
    ContractError,
    FaceCheckStale,
    IllegalTransition,
    InvalidCeremony,
    NotYourTurn,
    UnknownParty,
)

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXPIRY = START + timedelta(days=7)
PARTIES = ("enterprise", "bank")


def new(order=SigningOrder.IN_ORDER):
    return rules.draft("c-1", "aa", [(p, f"{p}-field") for p in PARTIES], order=order, expires_at=EXPIRY, at=START)


def until_consent(ceremony, party, session="s", at=START):
    ceremony = rules.identify(ceremony, party, session, at)
    ceremony = rules.present(ceremony, party, session, "aa", at)
    return rules.consent(ceremony, party, session, "2026-1", "bb", at)


def until_face(ceremony, party, session="s", at=START):
    return rules.check_face(until_consent(ceremony, party, session, at), party, session, "cc", at)


def test_two_parties_sign_in_order():
    ceremony = rules.send(new(), START)
    with pytest.raises(NotYourTurn):
        rules.identify(ceremony, "bank", "s", START)
    for party in PARTIES:
        assert ceremony.state is CeremonyState.SENT
        ceremony = rules.sign(until_face(ceremony, party), party, "s", "dd", START)
    assert ceremony.state is CeremonyState.COMPLETED
    assert rules.from_dict(json.loads(json.dumps(rules.to_dict(ceremony)))) == ceremony


def test_parties_in_parallel_lose_nothing():
    ceremony = rules.send(new(SigningOrder.PARALLEL), START)
    for party in reversed(PARTIES):
        ceremony = until_face(ceremony, party, session=party)
    for party in reversed(PARTIES):
        ceremony = rules.sign(ceremony, party, party, "dd", START)
    assert ceremony.state is CeremonyState.COMPLETED


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (120, True), (120.001, False), (-1, False)])
def test_the_signature_follows_the_face_check_at_once(seconds, fresh):
    ceremony = until_face(rules.send(new(), START), "enterprise")
    at = START + timedelta(seconds=seconds)
    if fresh:
        assert rules.sign(ceremony, "enterprise", "s", "dd", at).party("enterprise").state is PartyState.SIGNED
    else:
        with pytest.raises(FaceCheckStale):
            rules.sign(ceremony, "enterprise", "s", "dd", at)


def test_a_stale_face_check_is_made_anew():
    ceremony = until_face(rules.send(new(), START), "enterprise")
    later = START + timedelta(minutes=10)
    ceremony = rules.check_face(ceremony, "enterprise", "s", "ee", later)
    assert rules.sign(ceremony, "enterprise", "s", "dd", later).party("enterprise").face_root == "ee"


def test_another_session_signs_nothing():
    ceremony = until_face(rules.send(new(), START), "enterprise")
    with pytest.raises(FaceCheckStale):
        rules.sign(ceremony, "enterprise", "other", "dd", START)


def test_identifying_anew_starts_over():
    ceremony = rules.identify(until_face(rules.send(new(), START), "enterprise"), "enterprise", "t", START)
    assert ceremony.party("enterprise").face_root is None
    with pytest.raises(IllegalTransition):
        rules.sign(ceremony, "enterprise", "t", "dd", START)


@pytest.mark.parametrize("end", ["decline", "void", "expire"])
def test_after_the_end_nothing_happens(end):
    ceremony = rules.send(new(), START)
    ended = {
        "decline": lambda: rules.decline(ceremony, "enterprise", "不同意", START),
        "void": lambda: rules.void(ceremony, "误发", START),
        "expire": lambda: rules.expire(ceremony, EXPIRY),
    }[end]()
    for act in (
        lambda: rules.send(ended, START),
        lambda: rules.identify(ended, "enterprise", "s", START),
        lambda: rules.decline(ended, "enterprise", "", START),
        lambda: rules.void(ended, "", START),
        lambda: rules.expire(ended, EXPIRY),
    ):
        with pytest.raises(IllegalTransition):
            act()


def test_time_runs_out_by_itself():
    ceremony = rules.send(new(), START)
    with pytest.raises(IllegalTransition):
        rules.expire(ceremony, START)
    with pytest.raises(IllegalTransition):
        rules.identify(ceremony, "enterprise", "s", EXPIRY)


@pytest.mark.parametrize("parties", [[], [("a", "f"), ("a", "g")], [("a", "f"), ("b", "f")]])
def test_parties_and_fields_are_distinct(parties):
    with pytest.raises(IllegalTransition):
        rules.draft("c", "aa", parties, expires_at=EXPIRY, at=START)


def test_strangers_have_no_part():
    with pytest.raises(UnknownParty):
        rules.identify(rules.send(new(), START), "nobody", "s", START)


@given(st.dictionaries(st.sampled_from(["format", "state", "parties", "order", "expires_at"]), st.text() | st.none()))
def test_what_is_no_ceremony_is_refused(changes):
    stored = rules.to_dict(new())
    if all(stored[key] == value for key, value in changes.items()):
        return
    with pytest.raises(InvalidCeremony):
        rules.from_dict({**stored, **changes})


class Ceremonies(RuleBasedStateMachine):
    """Every step by anyone at any time, in any session: a refusal changes nothing, a signature stays."""

    def __init__(self):
        super().__init__()
        self.ceremony = new(SigningOrder.PARALLEL)
        self.now = START
        self.signed = {}

    def attempt(self, function, *arguments):
        try:
            self.ceremony = function(self.ceremony, *arguments, self.now)
        except ContractError:
            return False
        return True

    @rule(seconds=st.sampled_from([1, 60, 121, 86_400]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def send(self):
        self.attempt(rules.send)

    @rule()
    def expire(self):
        self.attempt(rules.expire)

    @rule(party=st.sampled_from(PARTIES), session=st.sampled_from("st"), step=st.integers(0, 4))
    def act(self, party, session, step):
        function, *facts = [
            (rules.identify,),
            (rules.present, "aa"),
            (rules.consent, "2026-1", "bb"),
            (rules.check_face, "cc"),
            (rules.sign, "dd"),
        ][step]
        before = self.ceremony.party(party)
        if self.attempt(function, party, session, *facts) and function is rules.sign:
            assert before.state is PartyState.FACE_CHECKED
            assert before.session == session
            assert self.now - before.face_checked_at <= rules.FACE_CHECK_LIFETIME
            self.signed[party] = self.ceremony.party(party)

    @rule(party=st.sampled_from(PARTIES), session=st.sampled_from("st"))
    def act_through(self, party, session):
        for step in range(5):
            self.act(party, session, step)

    @invariant()
    def signatures_stay(self):
        for party, signed in self.signed.items():
            assert self.ceremony.party(party) == signed

    @invariant()
    def completed_means_that_all_signed(self):
        assert (self.ceremony.state is CeremonyState.COMPLETED) == (set(self.signed) == set(PARTIES))

    @invariant()
    def stored_form_is_faithful(self):
        assert rules.from_dict(rules.to_dict(self.ceremony)) == self.ceremony


TestCeremonies = Ceremonies.TestCase


def test_values_are_frozen():
    ceremony = new()
    with pytest.raises(AttributeError):
        ceremony.state = CeremonyState.COMPLETED
    assert replace(ceremony) == ceremony

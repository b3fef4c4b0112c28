"""Whatever order people act in, a ceremony never takes a step that its rules forbid, and loses none that it took."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts import ceremony as rules
from contracts.ceremony import CeremonyState, PartyState, SigningOrder
from contracts.errors import (
    ContractError,
    FaceCheckStale,
    IllegalTransition,
    InvalidCeremony,
    NotYourTurn,
    StaleRevision,
    UnknownParty,
)

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXPIRY = START + timedelta(days=7)
PARTIES = ("enterprise", "bank")


def new(order=SigningOrder.IN_ORDER):
    return rules.draft("c-1", "aa", [(p, f"{p}-field") for p in PARTIES], order=order, expires_at=EXPIRY, at=START)


def until_consent(ceremony, party, session="s", at=START):
    ceremony = rules.identify(ceremony, party, session, at)
    ceremony = rules.present(ceremony, party, session, ceremony.latest_sha256, at)
    return rules.consent(ceremony, party, session, "2026-1", "bb", at)


def until_face(ceremony, party, session="s", at=START):
    return rules.check_face(until_consent(ceremony, party, session, at), party, session, "cc", at)


def sign(ceremony, party, session="s", at=START):
    upon = ceremony.latest_sha256
    return rules.sign(ceremony, party, session, f"{upon}+{party}", at, upon=upon)


def test_two_parties_sign_in_order():
    ceremony = rules.send(new(), START)
    with pytest.raises(NotYourTurn):
        rules.identify(ceremony, "bank", "s", START)
    for party in PARTIES:
        assert ceremony.state is CeremonyState.SENT
        ceremony = sign(until_face(ceremony, party), party)
        assert ceremony.party(party).presented_sha256 == ceremony.party(party).signed_upon_sha256
    assert ceremony.state is CeremonyState.COMPLETED
    assert ceremony.revisions == ("aa", "aa+enterprise", "aa+enterprise+bank")
    assert rules.from_dict(json.loads(json.dumps(rules.to_dict(ceremony)))) == ceremony


def test_parties_in_parallel_lose_nothing():
    ceremony = rules.send(new(SigningOrder.PARALLEL), START)
    for party in reversed(PARTIES):
        ceremony = until_face(ceremony, party, session=party)
    for party in reversed(PARTIES):
        ceremony = sign(ceremony, party, session=party)
    assert ceremony.state is CeremonyState.COMPLETED
    assert [ceremony.party(party).presented_sha256 for party in PARTIES] == ["aa", "aa"]
    assert ceremony.revisions == ("aa", "aa+bank", "aa+bank+enterprise")


def test_of_two_signatures_upon_one_revision_the_second_is_made_anew():
    ceremony = rules.send(new(SigningOrder.PARALLEL), START)
    for party in PARTIES:
        ceremony = until_face(ceremony, party, session=party)
    ceremony = rules.sign(ceremony, "bank", "bank", "b1", START, upon="aa")
    with pytest.raises(StaleRevision):
        rules.sign(ceremony, "enterprise", "enterprise", "e1", START, upon="aa")
    ceremony = rules.sign(ceremony, "enterprise", "enterprise", "e2", START, upon="b1")
    assert ceremony.latest_sha256 == "e2"


def test_in_parallel_an_earlier_revision_may_be_read_and_in_order_only_the_latest():
    for order, refused in ((SigningOrder.PARALLEL, False), (SigningOrder.IN_ORDER, True)):
        ceremony = sign(until_face(rules.send(new(order), START), "enterprise"), "enterprise")
        ceremony = rules.identify(ceremony, "bank", "s", START)
        if refused:
            with pytest.raises(StaleRevision):
                rules.present(ceremony, "bank", "s", "aa", START)
        else:
            rules.present(ceremony, "bank", "s", "aa", START)
        rules.present(ceremony, "bank", "s", ceremony.latest_sha256, START)
        with pytest.raises(StaleRevision):
            rules.present(ceremony, "bank", "s", "another document", START)


def test_a_signature_changes_the_document():
    ceremony = until_face(rules.send(new(), START), "enterprise")
    with pytest.raises(IllegalTransition):
        rules.sign(ceremony, "enterprise", "s", "aa", START, upon="aa")


def test_a_ceremony_of_one_party_stored_before_revisions_were_named_is_read():
    ceremony = sign(until_face(rules.send(new(), START), "enterprise"), "enterprise")
    stored = rules.to_dict(ceremony)
    for party in stored["parties"]:
        del party["signed_upon_sha256"]
    assert rules.from_dict(stored) == ceremony


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (120, True), (120.001, False), (-1, False)])
def test_the_signature_follows_the_face_check_at_once(seconds, fresh):
    ceremony = until_face(rules.send(new(), START), "enterprise")
    at = START + timedelta(seconds=seconds)
    if fresh:
        assert sign(ceremony, "enterprise", at=at).party("enterprise").state is PartyState.SIGNED
    else:
        with pytest.raises(FaceCheckStale):
            sign(ceremony, "enterprise", at=at)


def test_a_stale_face_check_is_made_anew():
    ceremony = until_face(rules.send(new(), START), "enterprise")
    later = START + timedelta(minutes=10)
    ceremony = rules.check_face(ceremony, "enterprise", "s", "ee", later)
    assert sign(ceremony, "enterprise", at=later).party("enterprise").face_root == "ee"


def test_another_session_signs_nothing():
    ceremony = until_face(rules.send(new(), START), "enterprise")
    with pytest.raises(FaceCheckStale):
        sign(ceremony, "enterprise", "other")


def test_identifying_anew_starts_over():
    ceremony = rules.identify(until_face(rules.send(new(), START), "enterprise"), "enterprise", "t", START)
    assert ceremony.party("enterprise").face_root is None
    with pytest.raises(IllegalTransition):
        sign(ceremony, "enterprise", "t")


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


THREE = ("enterprise", "platform", "bank")
SESSIONS = ("s", "t")


class Ceremonies(RuleBasedStateMachine):
    """Every step by anyone at any time, in any session: a refusal changes nothing, a signature stays.

    A signature has two halves, as in life: one looks at the latest revision, the other comes back with the
    signed file, and anything may happen between them.
    """

    order = SigningOrder.PARALLEL

    def __init__(self):
        super().__init__()
        parties = [(p, f"{p}-field") for p in THREE]
        self.ceremony = rules.draft("c-1", "aa", parties, order=self.order, expires_at=EXPIRY, at=START)
        self.now = START
        self.signed = {}
        self.begun = []  # (party, session, revision that the signature is made upon)

    def attempt(self, function, *arguments, **named):
        before = self.ceremony
        try:
            self.ceremony = function(before, *arguments, self.now, **named)
        except ContractError:
            return False
        assert before.state in {CeremonyState.DRAFT, CeremonyState.SENT}, "something happened after the end"
        return True

    @rule(seconds=st.sampled_from([1, 1, 1, 60, 121, 86_400]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @initialize(sent=st.sampled_from([True, True, True, False]))
    def begin_with(self, sent):
        if sent:
            self.send()

    @rule()
    def send(self):
        self.attempt(rules.send)

    @rule()
    def expire(self):
        self.attempt(rules.expire)

    # Rare, else hardly any ceremony would be signed.
    @rule(party=st.sampled_from(THREE), really=st.integers(1, 20))
    def decline(self, party, really):
        if really == 20:
            self.attempt(rules.decline, party, "不同意")

    @rule(really=st.integers(1, 20))
    def void(self, really):
        if really == 20:
            self.attempt(rules.void, "误发")

    @rule(party=st.sampled_from(THREE), session=st.sampled_from(SESSIONS), step=st.integers(0, 3), data=st.data())
    def act(self, party, session, step, data):
        revision = data.draw(st.sampled_from([*self.ceremony.revisions, "another document"]))
        function, *facts = [
            (rules.identify,),
            (rules.present, revision),
            (rules.consent, "2026-1", "bb"),
            (rules.check_face, "cc"),
        ][step]
        done = self.attempt(function, party, session, *facts)
        assert not (done and party in self.signed)

    @rule(party=st.sampled_from(THREE), session=st.sampled_from(SESSIONS))
    def act_until_the_face_check(self, party, session):
        for function, *facts in (
            (rules.identify,),
            (rules.present, self.ceremony.latest_sha256),
            (rules.consent, "2026-1", "bb"),
            (rules.check_face, "cc"),
        ):
            self.attempt(function, party, session, *facts)

    @rule(parties=st.permutations(THREE), session=st.sampled_from(SESSIONS))
    def several_come_to_their_face_check_and_begin(self, parties, session):
        for party in parties[:2]:
            self.act_until_the_face_check(party, session)
            self.begin(party, session)

    @rule(parties=st.permutations(THREE), session=st.sampled_from(SESSIONS), count=st.integers(1, 3))
    def one_after_the_other_signs(self, parties, session, count):
        chosen = parties if self.order is SigningOrder.PARALLEL else THREE
        for party in [p for p in chosen if p not in self.signed][:count]:
            self.act_until_the_face_check(party, session)
            self.begin(party, session)
            self.finish_one(*self.begun.pop())

    @rule(party=st.sampled_from(THREE), session=st.sampled_from(SESSIONS))
    def begin(self, party, session):
        self.begun.append((party, session, self.ceremony.latest_sha256))

    @rule(data=st.data(), again=st.booleans())
    def finish(self, data, again):
        if not self.begun:
            return
        chosen = data.draw(st.integers(0, len(self.begun) - 1))
        self.finish_one(*(self.begun[chosen] if again else self.begun.pop(chosen)))

    def finish_one(self, party, session, upon):
        before, latest = self.ceremony.party(party), self.ceremony.latest_sha256
        if self.attempt(rules.sign, party, session, f"{upon}+{party}", upon=upon):
            assert before.state is PartyState.FACE_CHECKED
            assert before.session == session
            assert self.now - before.face_checked_at <= rules.FACE_CHECK_LIFETIME
            assert upon == latest
            self.signed[party] = self.ceremony.party(party)

    @invariant()
    def signatures_stay(self):
        for party, signed in self.signed.items():
            assert self.ceremony.party(party) == signed
        assert {p.party_id for p in self.ceremony.parties if p.state is PartyState.SIGNED} == set(self.signed)

    @invariant()
    def every_signature_is_in_the_latest_revision(self):
        assert len(self.ceremony.revisions) == 1 + len(self.signed)
        parts = self.ceremony.latest_sha256.split("+")
        assert (parts[0], sorted(parts[1:])) == ("aa", sorted(self.signed))

    @invariant()
    def what_was_read_was_signed_with_nothing_but_signatures_between(self):
        for party in self.signed.values():
            assert party.signed_upon_sha256.startswith(party.presented_sha256)

    @invariant()
    def completed_means_that_all_signed(self):
        assert (self.ceremony.state is CeremonyState.COMPLETED) == (set(self.signed) == set(THREE))

    @invariant()
    def stored_form_is_faithful(self):
        assert rules.from_dict(json.loads(json.dumps(rules.to_dict(self.ceremony)))) == self.ceremony


class CeremoniesInOrder(Ceremonies):
    """The same with parties in order: nobody before the one in front of it."""

    order = SigningOrder.IN_ORDER

    @invariant()
    def in_order(self):
        assert list(self.signed) == list(THREE[: len(self.signed)])
        for signed in self.signed.values():
            assert signed.presented_sha256 == signed.signed_upon_sha256


INTERLEAVINGS = settings(max_examples=100, stateful_step_count=40)
TestCeremonies = Ceremonies.TestCase
TestCeremonies.settings = INTERLEAVINGS
TestCeremoniesInOrder = CeremoniesInOrder.TestCase
TestCeremoniesInOrder.settings = INTERLEAVINGS


def test_values_are_frozen():
    ceremony = new()
    with pytest.raises(AttributeError):
        ceremony.state = CeremonyState.COMPLETED
    assert replace(ceremony) == ceremony

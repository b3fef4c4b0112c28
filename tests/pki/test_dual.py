from datetime import timedelta

import pytest
from cryptography.x509 import ReasonFlags
from hypothesis import given
from hypothesis import strategies as st

from pki.dual import DualLink, DualState, Effect, LinkedCertificate, ProductPair, effect_of, revoke
from pki.errors import InvalidRevocation
from pki.revocation import GOOD, RevocationState
from tests.pki.hierarchy import START

DAY = timedelta(days=1)
HELD = RevocationState(START, ReasonFlags.certificate_hold)
REVOKED = RevocationState(START, ReasonFlags.key_compromise)
STATES = {GOOD: DualState.OPEN, HELD: DualState.SUSPENDED, REVOKED: DualState.CLOSED}


def certificate(revocation: RevocationState = GOOD) -> LinkedCertificate:
    return LinkedCertificate("thumbprint", START - DAY, START + DAY, revocation)


def link(
    api: RevocationState = GOOD,
    signing: RevocationState = GOOD,
    encryption: RevocationState = GOOD,
    authorization: RevocationState = GOOD,
) -> DualLink:
    pair = ProductPair(certificate(signing), certificate(encryption))
    return DualLink("authorization", authorization, START + DAY, certificate(api), pair)


STANDING = st.sampled_from(list(STATES))


@given(STANDING, STANDING, STANDING, STANDING)
def test_the_worst_part_decides(
    api: RevocationState, signing: RevocationState, encryption: RevocationState, authorization: RevocationState
) -> None:
    expected = max(STATES[part] for part in (api, signing, encryption, authorization))
    assert link(api, signing, encryption, authorization).state(START) is expected


def test_parts_say_which_side_closed_the_gate() -> None:
    assert link(signing=REVOKED).parts(START) == {
        "api": DualState.OPEN,
        "product": DualState.CLOSED,
        "authorization": DualState.OPEN,
    }


def test_time_closes_the_gate_too() -> None:
    assert link().state(START + DAY) is DualState.OPEN
    assert link().state(START + DAY + timedelta(seconds=1)) is DualState.CLOSED
    assert link().state(START - DAY - timedelta(seconds=1)) is DualState.CLOSED
    assert link(api=REVOKED).state(START - timedelta(seconds=1)) is DualState.OPEN


@pytest.mark.parametrize("reason", ReasonFlags)
def test_what_a_revocation_does_to_authorizations(reason: ReasonFlags) -> None:
    special = {
        ReasonFlags.certificate_hold: Effect.SUSPEND,
        ReasonFlags.remove_from_crl: Effect.RESUME,
        ReasonFlags.superseded: Effect.KEEP,
    }
    assert effect_of(reason) is special.get(reason, Effect.CLOSE)


def test_only_a_suspension_can_be_undone_or_hardened() -> None:
    held = revoke(GOOD, ReasonFlags.certificate_hold, START)
    assert held == HELD
    assert revoke(held, ReasonFlags.remove_from_crl, START + DAY) == GOOD
    assert revoke(held, ReasonFlags.key_compromise, START + DAY) == REVOKED
    for current, reason in (
        (GOOD, ReasonFlags.remove_from_crl),
        (REVOKED, ReasonFlags.remove_from_crl),
        (REVOKED, ReasonFlags.superseded),
        (REVOKED, ReasonFlags.certificate_hold),
        (HELD, ReasonFlags.certificate_hold),
    ):
        with pytest.raises(InvalidRevocation):
            revoke(current, reason, START + DAY)

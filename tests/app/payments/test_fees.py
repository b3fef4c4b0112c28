"""What a payment costs, by a schedule."""

from app.payments.channels import Channel
from app.payments.fees import NO_FEES, FeeSchedule, fee_for

SCHEDULE = FeeSchedule("paper", 1, {Channel.HVPS: 500, Channel.BEPS: 50}, {Channel.BEPS: 20})


def test_fees_follow_the_schedule_and_never_exceed_the_amount() -> None:
    assert fee_for(SCHEDULE, Channel.HVPS, 10_000, batch=False) == 500
    assert fee_for(SCHEDULE, Channel.HVPS, 10_000, batch=True) == 500
    assert fee_for(SCHEDULE, Channel.BEPS, 10_000, batch=True) == 20
    assert fee_for(SCHEDULE, Channel.BEPS, 30, batch=False) == 30
    assert fee_for(SCHEDULE, Channel.BOOK, 30, batch=False) == 0
    assert fee_for(NO_FEES, Channel.HVPS, 10_000, batch=False) == 0

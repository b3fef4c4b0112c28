"""How handing a message to the clearing can fail. The difference decides whether it may be sent again."""

from __future__ import annotations


class NotDelivered(Exception):
    """The message certainly did not arrive: send it again later."""


class DeliveryUncertain(Exception):
    """The message may have arrived: ask, never send again blindly."""


class DeliveryRefused(Exception):
    """The clearing read the message and does not take it; sending it again changes nothing."""

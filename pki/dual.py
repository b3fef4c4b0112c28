"""The dual certificate: API certificate and product certificate pair as one linked object. Pure; no I/O.

A platform acts for an enterprise's product only while the authorization by the enterprise's legal
representative stands and the certificates of both sides are good. This module says which fact closes the
gate, and what a revocation on one side does to the authorizations between the two.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from cryptography import x509

from pki.errors import InvalidRevocation
from pki.revocation import GOOD, RevocationState


class DualState(IntEnum):
    """How a part, or the whole link, stands; the greater is the worse, and the worst part decides."""

    OPEN = 0
    SUSPENDED = 1
    """Held: may be released again."""
    CLOSED = 2
    """Revoked, ended, expired or not yet valid."""


class Effect(StrEnum):
    """What happens to authorizations when a certificate of one side changes."""

    CLOSE = "close"
    SUSPEND = "suspend"
    RESUME = "resume"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class LinkedCertificate:
    """One certificate in a link. `x5t_s256`: base64url SHA-256 of its DER (RFC 7515 §4.1.8)."""

    x5t_s256: str
    not_before: datetime
    not_after: datetime
    revocation: RevocationState = GOOD

    def state(self, at: datetime) -> DualState:
        """How it stands at that time (aware UTC)."""
        if not self.not_before <= at <= self.not_after:
            return DualState.CLOSED
        return _state_of(self.revocation, at)


@dataclass(frozen=True, slots=True)
class ProductPair:
    """An enterprise's two certificates for one product: renewed, suspended and revoked together."""

    signing: LinkedCertificate
    encryption: LinkedCertificate

    def state(self, at: datetime) -> DualState:
        """A pair is as good as its worse half: content that could be signed could not be answered."""
        return max(self.signing.state(at), self.encryption.state(at))


@dataclass(frozen=True, slots=True)
class DualLink:
    """A platform's API certificate and an enterprise's pair, joined by a standing authorization."""

    authorization_id: str
    authorization: RevocationState
    authorized_until: datetime
    api: LinkedCertificate
    product: ProductPair

    def state(self, at: datetime) -> DualState:
        """OPEN only where all three parts are."""
        return max(self.parts(at).values())

    def parts(self, at: datetime) -> dict[str, DualState]:
        """How each part stands: `api`, `product`, `authorization`."""
        authorization = DualState.CLOSED if at > self.authorized_until else _state_of(self.authorization, at)
        return {"api": self.api.state(at), "product": self.product.state(at), "authorization": authorization}


def effect_of(reason: x509.ReasonFlags) -> Effect:
    """What revoking either side's certificate for this reason does to the authorizations it takes part in.

    A suspension suspends and its release resumes them. A certificate that was superseded has a successor of
    the same holder, so they stand. Every other reason ends the trust that they were given on.
    """
    return {
        x509.ReasonFlags.certificate_hold: Effect.SUSPEND,
        x509.ReasonFlags.remove_from_crl: Effect.RESUME,
        x509.ReasonFlags.superseded: Effect.KEEP,
    }.get(reason, Effect.CLOSE)


def revoke(current: RevocationState, reason: x509.ReasonFlags, at: datetime) -> RevocationState:
    """The state after a revocation, suspension or release (removeFromCRL). Raises InvalidRevocation.

    Only a suspension can be undone or be turned into a revocation, which then counts from the suspension on.
    """
    releasing = reason is x509.ReasonFlags.remove_from_crl
    if releasing and not current.is_held:
        raise InvalidRevocation("only a suspended certificate can be released")
    if current.revoked_at is not None and not current.is_held:
        raise InvalidRevocation("the certificate is revoked already")
    if current.is_held and reason is x509.ReasonFlags.certificate_hold:
        raise InvalidRevocation("the certificate is suspended already")
    return GOOD if releasing else RevocationState(current.revoked_at or at, reason)


def _state_of(revocation: RevocationState, at: datetime) -> DualState:
    if revocation.revoked_at is None or revocation.revoked_at > at:
        return DualState.OPEN
    return DualState.SUSPENDED if revocation.is_held else DualState.CLOSED

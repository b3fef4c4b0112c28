"""What a licensed third party may do in the service's place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cryptography import x509

from pki.binding import PortraitAssurance, SignatureBinding
from pki.keys import PublicKey


@dataclass(frozen=True, slots=True)
class SignerOrder:
    """A certificate for one signature: the signer's name, the browser's key, `urn` of ceremony and signer.

    `portrait_assurance` says how far the portrait can be trusted; None where no face was compared.
    """

    name: str
    public_key: PublicKey
    urn: str
    binding: SignatureBinding
    portrait_assurance: PortraitAssurance | None = None


class SignerIssuer(Protocol):
    """Issues signer certificates: the embedded authority, or a CA licensed under the Electronic Signature Law."""

    @property
    def name(self) -> str:
        """The issuer as it stands in the rows of its certificates (at most 32 characters)."""

    @property
    def description(self) -> str:
        """Who that is, for people who start the service."""

    def issue(self, order: SignerOrder) -> x509.Certificate:
        """In one round trip, with the profile SIGNER. Raises PkiError, Unavailable."""

    def chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The certificates above one that it issued, the root last."""

"""The embedded `SignerIssuer`, and which one this installation uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from app.certificates.ports import SignerIssuer, SignerOrder
from pki import profiles
from pki.authority import CertificateRequest, IssuingAuthority, Subject
from pki.profiles import IssuingRole

if TYPE_CHECKING:
    from app.wiring import Services


class EmbeddedSignerIssuer:
    """The installation's own issuing authority for signer certificates: the newest generation."""

    description = "the embedded authority, which is not a licensed certification service"

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def name(self) -> str:
        """The name of the authority that issues at present."""
        return self._authority.name

    def issue(self, order: SignerOrder) -> x509.Certificate:
        """Sign at once, with the loaded key."""
        request = CertificateRequest(
            Subject(order.name),
            order.public_key,
            (order.urn,),
            binding=order.binding,
            portrait_assurance=order.portrait_assurance,
        )
        authority = self._authority
        return authority.issue(authority.prepare(profiles.SIGNER, request))

    def chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The generation whose name the certificate bears, and the root."""
        for authority in self._services.hierarchy.authorities:
            if authority.certificate.subject == certificate.issuer:
                return (authority.certificate, *authority.chain)
        raise LookupError("no generation of this authority issued it")

    @property
    def _authority(self) -> IssuingAuthority:
        return self._services.hierarchy.newest(IssuingRole.SIGNER)


def signer_issuer(services: Services) -> SignerIssuer:
    """The licensed CA that was wired, or the embedded one."""
    wired: SignerIssuer | None = getattr(services, "signer_issuer", None)
    return wired or EmbeddedSignerIssuer(services)


def describe_signer_issuer(services: Services) -> str:
    """One sentence for start-up: who certifies the keys that sign contracts."""
    return f"signer certificates are issued by {signer_issuer(services).description}"

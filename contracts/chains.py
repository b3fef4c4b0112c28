"""Chain, purpose and revocation of one certificate as of one time (ETSI EN 319 102-1 §5.2.4, §5.2.6, §5.6.2.1).

Certificates that assert a policy of our own are judged by `pki.path`, which demands back the whole profile. Those of
other hierarchies go through RFC 5280 in `pki.foreign` and must be meant for signing, or for time stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier

from contracts.findings import Finding
from contracts.report import ChainLink, RevocationSource, SubIndication
from contracts.revocation import Answer, RevocationData
from contracts.signed_data import check_embedded
from pki.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    PathInvalid,
    UntrustedIssuer,
    WrongPurpose,
)
from pki.foreign import validate_foreign_path
from pki.path import Purpose, RevocationLookup, TrustPolicy, validate_path
from pki.profiles import PROFILES, VALIDITY_ASSURED_SHORT_TERM

_PATH_FINDINGS: tuple[tuple[type[PathInvalid], SubIndication, bool], ...] = (
    (UntrustedIssuer, SubIndication.NO_CERTIFICATE_CHAIN_FOUND, False),
    (CertificateExpired, SubIndication.OUT_OF_BOUNDS_NO_POE, False),
    (CertificateNotYetValid, SubIndication.NOT_YET_VALID, True),
    (WrongPurpose, SubIndication.CHAIN_CONSTRAINTS_FAILURE, False),
    (PathInvalid, SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, False),
)
_OWN_POLICIES = frozenset(profile.policy for profile in PROFILES.values() if profile.policy is not None)
_DOCUMENT_SIGNING = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # id-kp-documentSigning, RFC 9336
        ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # Microsoft's document signing
        ObjectIdentifier("1.2.840.113583.1.1.5"),  # Adobe's authentic documents
    }
)


@dataclass(frozen=True, slots=True)
class ChainContext:
    """What is known while one file is validated."""

    trust: TrustPolicy
    lookup: RevocationLookup | None
    data: RevocationData

    def judge(
        self,
        certificate: x509.Certificate,
        embedded: Sequence[bytes],
        purpose: Purpose,
        at: datetime,
        not_before: datetime | None,
    ) -> tuple[ChainLink, ...]:
        """The chain of `certificate`, good for `purpose` at the time at which its signature is proven to exist.

        `embedded` holds the certificates that came with the signature (DER); `not_before`, where known, is a time
        after which it was made. Raises Finding.
        """
        chain = self._path(certificate, [x509.load_der_x509_certificate(der) for der in embedded], purpose, at)
        links = []
        for depth, (link, issuer) in enumerate(pairwise(chain)):
            links.append(self._revocation(link, issuer, at, not_before, is_leaf=depth == 0))
        return tuple(links)

    def _path(
        self, leaf: x509.Certificate, embedded: list[x509.Certificate], purpose: Purpose, at: datetime
    ) -> tuple[x509.Certificate, ...]:
        anchors = self.trust.anchors
        check_embedded(embedded, (*anchors, *self.trust.intermediates))
        issuers = tuple(c for c in dict.fromkeys(embedded) if c != leaf and c not in anchors)
        try:
            if _policies(leaf) & _OWN_POLICIES:
                trust = TrustPolicy(anchors, (*self.trust.intermediates, *issuers))
                return validate_path(leaf, trust, at, purpose=purpose).chain
            _check_foreign_purpose(leaf, purpose)
            above = [_der(c) for c in dict.fromkeys((*self.trust.intermediates, *issuers))]
            found = validate_foreign_path(_der(leaf), [_der(c) for c in anchors], above, (), at, check_revocation=False)
            return tuple(x509.load_der_x509_certificate(der) for der in found)
        except PathInvalid as exc:
            for kind, sub_indication, is_failure in _PATH_FINDINGS:
                if isinstance(exc, kind):
                    raise Finding(sub_indication, str(exc), is_failure) from exc
            raise

    def _revocation(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
        not_before: datetime | None,
        *,
        is_leaf: bool,
    ) -> ChainLink:
        name = certificate.subject.rfc4514_string()

        def link(source: RevocationSource, answer: Answer | None = None) -> ChainLink:
            if answer is None:
                return ChainLink(name, certificate.serial_number, source)
            updates = answer.this_update, answer.next_update
            return ChainLink(name, certificate.serial_number, source, *updates, answer.embedded)

        # 1. Some certificates are never looked up (ETSI EN 319 412-1 §5.2.2).
        if _is_short_term(certificate):
            return link(RevocationSource.NOT_NEEDED)
        # 2. Revoked is revoked, whoever says so, unless the signature is older.
        answers = list(self.data.answers(certificate, issuer))
        state = self.lookup(certificate) if self.lookup is not None else None
        for answer in answers:
            if answer.revoked_at is not None:
                _check_revoked(name, answer.revoked_at, answer.on_hold, at, not_before, is_leaf)
        if state is not None and state.revoked_at is not None:
            _check_revoked(name, state.revoked_at, state.is_held, at, not_before, is_leaf)
        # 3. A good answer that is proven and fresh, preferably one that stays with the file.
        fresh = [answer for answer in answers if answer.is_fresh(at, certificate)]
        good = sorted((a for a in fresh if a.is_proven()), key=lambda a: (not a.embedded, a.this_update))
        if good:
            return link(good[0].source, good[0])
        if state is not None:
            return link(RevocationSource.SERVICE)
        if fresh:
            raise Finding(
                SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE,
                f"no proof that the revocation data for {name} existed while its signer's certificate lasted",
            )
        raise Finding(SubIndication.TRY_LATER, f"no revocation data for {name} as of {at.isoformat()}")


def _check_revoked(
    name: str, revoked_at: datetime, on_hold: bool, at: datetime, not_before: datetime | None, is_leaf: bool
) -> None:
    if revoked_at > at:
        return
    when = f"{name} was revoked at {revoked_at.isoformat()}"
    if on_hold:
        raise Finding(SubIndication.TRY_LATER, f"{name} was suspended at {revoked_at.isoformat()}")
    if not_before is not None and revoked_at <= not_before:
        raise Finding(SubIndication.REVOKED, f"{when}, before the signature was made", True)
    no_poe = SubIndication.REVOKED_NO_POE if is_leaf else SubIndication.REVOKED_CA_NO_POE
    raise Finding(no_poe, f"{when}, and nothing proves that the signature is older")


def _check_foreign_purpose(leaf: x509.Certificate, purpose: Purpose) -> None:
    """Key usage and extended key usage that allow this use. Raises WrongPurpose."""
    try:
        usage = _find(leaf, ExtensionOID.KEY_USAGE)
        extended = _find(leaf, ExtensionOID.EXTENDED_KEY_USAGE)
    except (ValueError, x509.DuplicateExtension) as exc:
        raise WrongPurpose(leaf.subject.rfc4514_string(), "its extensions are malformed") from exc
    if isinstance(usage, x509.KeyUsage) and not (usage.digital_signature or usage.content_commitment):
        raise WrongPurpose(leaf.subject.rfc4514_string(), "its key usage lets it sign nothing")
    usages = frozenset(extended) if isinstance(extended, x509.ExtendedKeyUsage) else frozenset()
    if purpose is Purpose.TSA:
        if usages != {ExtendedKeyUsageOID.TIME_STAMPING}:  # RFC 3161 §2.3
            raise WrongPurpose(leaf.subject.rfc4514_string(), "it is not for time stamps alone")
    elif usages and not usages & _DOCUMENT_SIGNING:
        raise WrongPurpose(leaf.subject.rfc4514_string(), "it is not for signing documents")


def _find(certificate: x509.Certificate, oid: ObjectIdentifier) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None


def _policies(certificate: x509.Certificate) -> frozenset[ObjectIdentifier]:
    try:
        policies = _find(certificate, ExtensionOID.CERTIFICATE_POLICIES)
    except (ValueError, x509.DuplicateExtension):
        return frozenset()
    return (
        frozenset(p.policy_identifier for p in policies)
        if isinstance(policies, x509.CertificatePolicies)
        else frozenset()
    )


def _is_short_term(certificate: x509.Certificate) -> bool:
    oids = {extension.oid for extension in certificate.extensions}
    return bool(oids & {VALIDITY_ASSURED_SHORT_TERM, ExtensionOID.OCSP_NO_CHECK})


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)

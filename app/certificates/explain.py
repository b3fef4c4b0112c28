"""A chain explained step by step: for each certificate its names, validity, policies, revocation and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from app.certificates.records import x5t_s256
from pki.errors import PathInvalid
from pki.path import Purpose, RevocationLookup, TrustPolicy, validate_path
from pki.profiles import CUSTODY_POLICIES, PROFILES

_POLICY_NAMES = {profile.policy.dotted_string: name for name, profile in PROFILES.items() if profile.policy} | {
    oid.dotted_string: f"custody {custody}" for custody, oid in CUSTODY_POLICIES.items()
}


@dataclass(frozen=True, slots=True)
class Step:
    """One certificate of the chain, the leaf first."""

    subject: str
    issuer: str
    serial: str
    x5t_s256: str
    not_before: str
    not_after: str
    alternative_names: tuple[str, ...]
    policies: tuple[str, ...]
    revocation: str
    verdict: str

    @property
    def good(self) -> bool:
        """Whether this step stands by itself."""
        return self.verdict == "good"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps, and what path validation (RFC 5280 §6) said of the whole; `error` is its stable code, or None."""

    purpose: str
    at: str
    steps: tuple[Step, ...]
    error: str | None
    reason: str

    @property
    def good(self) -> bool:
        """Whether the path is valid for the purpose at that time."""
        return self.error is None

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"good": self.good, **asdict(self)}


def explain(
    leaf: x509.Certificate, trust: TrustPolicy, at: datetime, purpose: Purpose, revocation: RevocationLookup
) -> Explanation:
    """Validate and explain; whatever is wrong is said, nothing is raised."""
    error, reason = None, ""
    try:
        chain: Sequence[x509.Certificate] = validate_path(leaf, trust, at, purpose=purpose, revocation=revocation).chain
    except PathInvalid as exc:
        error, reason, chain = exc.code, str(exc), _likely_chain(leaf, trust)
    steps = [_step(certificate, chain, trust, at, revocation) for certificate in chain]
    return Explanation(str(purpose), at.isoformat(), tuple(steps), error, reason)


def guess_purpose(leaf: x509.Certificate) -> Purpose | None:
    """The purpose that the certificate's own policy names; None where it names none of ours."""
    names = {_POLICY_NAMES.get(oid) for oid in _policy_oids(leaf)}
    return next((purpose for purpose in Purpose if str(purpose) in names), None)


def _likely_chain(leaf: x509.Certificate, trust: TrustPolicy) -> list[x509.Certificate]:
    """By names and signatures alone, for showing where a refused chain broke."""
    chain = [leaf]
    while len(chain) < 4 and chain[-1] not in trust.anchors:
        signers = [issuer for issuer in trust.issuers_named(chain[-1].issuer) if _is_signed_by(chain[-1], issuer)]
        if not signers:
            break
        chain.append(signers[0])
    return chain


def _step(
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    trust: TrustPolicy,
    at: datetime,
    lookup: RevocationLookup,
) -> Step:
    anchor = certificate in trust.anchors
    revocation, verdict = ("trust anchor", "good") if anchor else _judge_revocation(certificate, at, lookup)
    if at > certificate.not_valid_after_utc:
        verdict = "expired"
    elif at < certificate.not_valid_before_utc:
        verdict = "not yet valid"
    if not anchor and certificate is chain[-1]:
        verdict = "no trusted issuer signed it"
    return Step(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        x5t_s256=x5t_s256(certificate),
        not_before=certificate.not_valid_before_utc.isoformat(),
        not_after=certificate.not_valid_after_utc.isoformat(),
        alternative_names=_alternative_names(certificate),
        policies=tuple(_POLICY_NAMES.get(oid, oid) for oid in _policy_oids(certificate)),
        revocation=revocation,
        verdict=verdict,
    )


def _judge_revocation(certificate: x509.Certificate, at: datetime, lookup: RevocationLookup) -> tuple[str, str]:
    state = lookup(certificate)
    if state is None:
        return "never issued here", "unknown"
    if state.revoked_at is None:
        return "not revoked", "good"
    said = f"{state.reason.value} since {state.revoked_at.isoformat()}"
    if state.revoked_at > at:
        return f"{said}, later than the time asked for", "good"
    return said, "held" if state.is_held else "revoked"


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(name.value) for name in names)


def _policy_oids(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(policy.policy_identifier.dotted_string for policy in policies)


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True

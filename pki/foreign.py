"""Path validation in hierarchies of others: the whole of RFC 5280 §6, with policies, name constraints and CRLs.

Our own certificates go through `pki.path`, which knows their one shape and is a hundred times as fast. This is for
chains whose shape somebody else chose: signatures by licensed authorities, time stamps of other services. The library
does the work of §6.1 and §6.3 on one path at a time; which paths there are, and how large, is bounded here, because
their makers may be hostile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import crl, x509
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import (
    CRLValidationError,
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathValidationError,
    RevokedError,
)
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import PKIXValidationParams
from pyhanko_certvalidator.validate import async_validate_path

from pki.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    PathInvalid,
    PathTooComplex,
    RevocationUnknown,
    UntrustedIssuer,
)

MAXIMUM_BYTES = 64 * 1024
"""Of a certificate."""
MAXIMUM_CRL_BYTES = 16 * 1024 * 1024
MAXIMUM_LENGTH = 10
MAXIMUM_INTERMEDIATES = 16
MAXIMUM_NAMESAKES = 3
"""Authorities with one name: a roll-over needs two, and what could be combined at will has no other source."""
MAXIMUM_PATHS = 8
MAXIMUM_NAME_COMPARISONS = 20_000
MAXIMUM_POLICY_NODES = 500

ANY_POLICY = "any_policy"
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, NotImplementedError, CRLValidationError)


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """RFC 5280 §6.1.1 (c), (e), (f), (g). Policies are dotted object identifiers."""

    acceptable: frozenset[str] = frozenset({ANY_POLICY})
    require_explicit: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False


@dataclass(frozen=True, slots=True)
class _Material:
    """What was handed in, parsed."""

    leaf: x509.Certificate
    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]
    crls: tuple[crl.CertificateList, ...]


def validate_foreign_path(
    leaf: bytes,
    anchors: Sequence[bytes],
    intermediates: Sequence[bytes],
    crls: Sequence[bytes],
    at: datetime,
    *,
    policies: PolicyInputs | None = None,
    check_revocation: bool = True,
) -> tuple[bytes, ...]:
    """Validate a certificate as of `at` (aware UTC); all arguments are DER. Returns the chain, leaf first.

    Every certificate but the anchor must be covered by one of `crls` (complete, delta, indirect or by reason);
    nothing is fetched. `check_revocation` False: revocation is judged elsewhere, and no CRL is needed. What the leaf
    may be used for is the caller's to check. Raises PathInvalid: UntrustedIssuer,
    CertificateExpired, CertificateNotYetValid, CertificateRevoked, RevocationUnknown, PathTooComplex. Of several
    paths one good one suffices; else the first error counts.
    """
    if len(intermediates) > MAXIMUM_INTERMEDIATES or len(crls) > 2 * MAXIMUM_INTERMEDIATES:
        raise PathTooComplex("what was handed in")
    try:
        material = _Material(
            _certificate(leaf),
            tuple(map(_certificate, anchors)),
            tuple(map(_certificate, intermediates)),
            tuple(map(_crl, crls)),
        )
        return _find_valid_path(material, at, policies or PolicyInputs(), check_revocation)
    except _MALFORMED as exc:  # anywhere, because asn1crypto parses late
        raise PathInvalid("what was handed in", "it is malformed") from exc


def _find_valid_path(
    material: _Material, at: datetime, policies: PolicyInputs, check_revocation: bool
) -> tuple[bytes, ...]:
    _check_bounds(material)
    failure: PathInvalid | None = None
    for number, path in enumerate(_paths(material)):
        if number == MAXIMUM_PATHS:
            raise PathTooComplex(_name(material.leaf))
        try:
            _validate(path, material, at, policies, "require" if check_revocation else "soft-fail")
        except PathInvalid as exc:
            failure = failure or exc
        else:
            return tuple(certificate.dump() for certificate in path)
    raise failure or UntrustedIssuer(_name(material.leaf))


def _certificate(der: bytes) -> x509.Certificate:
    if len(der) > MAXIMUM_BYTES:
        raise PathTooComplex("a certificate")
    return x509.Certificate.load(der, strict=True)


def _crl(der: bytes) -> crl.CertificateList:
    if len(der) > MAXIMUM_CRL_BYTES:
        raise PathTooComplex("a CRL")
    return crl.CertificateList.load(der, strict=True)


def _check_bounds(material: _Material) -> None:
    """Raises PathTooComplex."""
    names = subtrees = 0
    for certificate in (material.leaf, *material.intermediates):
        alternative, constraints = certificate.subject_alt_name_value, certificate.name_constraints_value
        names += 1 + (len(alternative) if alternative else 0)
        for kind in ("permitted_subtrees", "excluded_subtrees"):
            subtrees += len(constraints[kind] or ()) if constraints else 0
        if sum(other.subject == certificate.subject for other in material.intermediates) > MAXIMUM_NAMESAKES:
            raise PathTooComplex(_name(certificate))
    if names * subtrees > MAXIMUM_NAME_COMPARISONS:
        raise PathTooComplex(_name(material.leaf))


def _paths(material: _Material) -> Iterator[tuple[x509.Certificate, ...]]:
    """Every chain of matching names from leaf to anchor (RFC 5280 §7.1), without loops, the shortest first."""
    pending: list[tuple[x509.Certificate, ...]] = [(material.leaf,)]
    while pending:
        chain = pending.pop(0)
        for anchor in material.anchors:
            if _may_have_issued(anchor, chain[-1]):
                yield (*chain, anchor)
        for issuer in material.intermediates:
            if _may_have_issued(issuer, chain[-1]) and issuer not in chain and len(chain) < MAXIMUM_LENGTH - 1:
                pending.append((*chain, issuer))
        if len(pending) > MAXIMUM_INTERMEDIATES * MAXIMUM_PATHS:
            raise PathTooComplex(_name(material.leaf))


def _may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """By name, and by key identifier where both state one (RFC 5280 §4.2.1.1)."""
    stated, own = certificate.authority_key_identifier, issuer.key_identifier
    return issuer.subject == certificate.issuer and (stated is None or own is None or stated == own)


def _validate(
    path: tuple[x509.Certificate, ...], material: _Material, at: datetime, policies: PolicyInputs, revocation_mode: str
) -> None:
    context = ValidationContext(
        trust_roots=list(material.anchors),
        other_certs=list(material.intermediates),
        crls=list(material.crls),
        moment=at,
        revocation_mode=revocation_mode,
    )
    parameters = PKIXValidationParams(
        user_initial_policy_set=policies.acceptable,
        initial_explicit_policy=policies.require_explicit,
        initial_policy_mapping_inhibit=policies.inhibit_mapping,
        initial_any_policy_inhibit=policies.inhibit_any,
        max_policy_graph_nodes=MAXIMUM_POLICY_NODES,
    )
    leaf, *issuers, anchor = path
    validation = async_validate_path(
        context, ValidationPath(CertTrustAnchor(anchor), reversed(issuers), leaf), parameters
    )
    try:
        validation.send(None)  # nothing is fetched, so that it never waits: no event loop is needed
    except StopIteration:
        return
    except RevokedError as exc:
        raise CertificateRevoked(_name(leaf), exc.revocation_dt.isoformat(), exc.reason.native) from exc
    except ExpiredError as exc:
        raise CertificateExpired(_name(leaf), exc.expired_dt.isoformat()) from exc
    except NotYetValidError as exc:
        raise CertificateNotYetValid(_name(leaf), exc.valid_from.isoformat()) from exc
    except InsufficientRevinfoError as exc:
        raise RevocationUnknown(_name(leaf)) from exc
    except PathValidationError as exc:
        raise PathInvalid(_name(leaf), str(exc)) from exc
    validation.close()
    raise PathInvalid(_name(leaf), "the validation waits for something")


def _name(certificate: x509.Certificate) -> str:
    return f"certificate {certificate.serial_number:x}"

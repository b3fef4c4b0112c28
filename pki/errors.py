"""The one error family of `pki`.

Each class is a fact with a stable `code`. Instances are built from the plain strings and integers that fill
`template`, so that they pickle and can be raised again in another process.
"""

from typing import ClassVar


class PkiError(Exception):
    """Base of every error that `pki` raises on purpose."""

    code: ClassVar[str] = "pki-error"
    template: ClassVar[str] = "{0}"

    def __init__(self, *facts: str | int) -> None:
        super().__init__(*facts)
        self._text = self.template.format(*facts)

    def __str__(self) -> str:
        return self._text


# Keys and key stores


class KeyExists(PkiError):
    code = "key-exists"
    template = "the key store already holds a key named {0}"


class KeyNotFound(PkiError):
    code = "key-not-found"
    template = "the key store holds no key named {0}"


class InvalidKeyName(PkiError):
    code = "invalid-key-name"
    template = "not a key name (1 to 64 of a-z 0-9 . _ -): {0!r}"


class WrongPassphrase(PkiError):
    code = "wrong-passphrase"
    template = "the passphrase does not open the key store"


class KeyStoreDamaged(PkiError):
    code = "key-store-damaged"
    template = "the key store is damaged: {0}"


class TokenUnavailable(PkiError):
    code = "token-unavailable"
    template = "the PKCS #11 token does not serve: {0}"


class WeakKey(PkiError):
    code = "weak-key"
    template = "the key is refused: {0}"


# Algorithms and identifiers


class UnsupportedAlgorithm(PkiError):
    code = "unsupported-algorithm"
    template = "the algorithm is outside the suite or not the one of this key: {0}"


class InvalidSignature(PkiError):
    code = "invalid-signature"
    template = "the signature does not verify"


class InvalidIdentifier(PkiError):
    """Facts: the kind of identifier, then what is wrong with it."""

    code = "invalid-identifier"
    template = "invalid {0}: {1}"


# Issuing


class InvalidCsr(PkiError):
    code = "invalid-csr"
    template = "the certificate signing request is refused: {0}"


class InvalidBinding(PkiError):
    code = "invalid-binding"
    template = "the signature binding is refused: {0}"


class ProfileViolation(PkiError):
    """Facts: the profile's name, then what in the request does not fit it."""

    code = "profile-violation"
    template = "the request does not fit the profile {0}: {1}"


class LintFailed(PkiError):
    """Facts: the findings, joined by semicolons."""

    code = "lint-failed"
    template = "the certificate would break its profile or RFC 5280: {0}"


class PreparedTwice(PkiError):
    code = "prepared-twice"
    template = "a prepared certificate is issued once, and by the authority that prepared it"


# Revocation


class InvalidRevocation(PkiError):
    code = "invalid-revocation"
    template = "{0}"


# Time stamps


class InvalidTimestampRequest(PkiError):
    """Facts: what is wrong, then the PKIFailureInfo bit of RFC 3161 §2.4.2 that says so."""

    code = "invalid-timestamp-request"
    template = "the time-stamp request is refused: {0}"


# Path validation; the first fact is always the subject of the certificate at fault


class PathInvalid(PkiError):
    code = "path-invalid"
    template = "{0}: {1}"


class UntrustedIssuer(PathInvalid):
    code = "untrusted-issuer"
    template = "no path of valid signatures leads from {0} to a trust anchor"


class CertificateExpired(PathInvalid):
    code = "certificate-expired"
    template = "{0} expired at {1}"


class CertificateNotYetValid(PathInvalid):
    code = "certificate-not-yet-valid"
    template = "{0} is not valid before {1}"


class CertificateRevoked(PathInvalid):
    code = "certificate-revoked"
    template = "{0} was revoked at {1} ({2})"


class RevocationUnknown(PathInvalid):
    code = "revocation-unknown"
    template = "nobody can say whether {0} is revoked"


class WrongPurpose(PathInvalid):
    code = "wrong-purpose"


class PathTooComplex(PathInvalid):
    code = "path-too-complex"
    template = "too many candidate issuers had to be tried for {0}"


# The log


class InvalidProof(PkiError):
    code = "invalid-proof"
    template = "the Merkle proof is refused: {0}"


class InvalidCheckpoint(PkiError):
    code = "invalid-checkpoint"
    template = "the checkpoint is refused: {0}"


class CheckpointOutdated(PkiError):
    """Facts: the origin, then the size of the log that the witness saw."""

    code = "checkpoint-outdated"
    template = "the witness saw {0} with {1} leaves already, or another call came first"


class CheckpointForked(PkiError):
    """Facts: the origin, then the size for which the log signed two different roots."""

    code = "checkpoint-forked"
    template = "{0} signed two different histories of {1} leaves"

"""Use cases of certificates, in the order of their life: enrolment, issue, renewal, hold and release, revocation.

The private keys of platforms, enterprises and signers never come here: there is no function that makes or takes one.
"""

from __future__ import annotations

from app.certificates.enrolment import ENROLMENT_LIFETIME, create_enrolment, enrol_api, enrol_product
from app.certificates.issuing import Order, issue_batch, issue_signer
from app.certificates.linked import read_link
from app.certificates.queries import chain_der, chain_pem, get_certificate, list_certificates
from app.certificates.refusals import journal_refusals
from app.certificates.renewal import list_warnings, renew_api, renew_product, warn_before_expiry
from app.certificates.root import propose_authority_revocation, propose_generation
from app.certificates.state import REASONS, change_link, hold, release, revoke

__all__ = [
    "ENROLMENT_LIFETIME",
    "REASONS",
    "Order",
    "chain_der",
    "chain_pem",
    "change_link",
    "create_enrolment",
    "enrol_api",
    "enrol_product",
    "get_certificate",
    "hold",
    "issue_batch",
    "issue_signer",
    "journal_refusals",
    "list_certificates",
    "list_warnings",
    "propose_authority_revocation",
    "propose_generation",
    "read_link",
    "release",
    "renew_api",
    "renew_product",
    "revoke",
    "warn_before_expiry",
]

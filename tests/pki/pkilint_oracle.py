"""What pkilint finds at NOTICE or above: `linter:code` texts, none where all is well."""

import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import document as pkilint_document
from pkilint import loader, pkix, report
from pkilint.bin import lint_pkix_signer_signee_cert_chain as chain_linter
from pkilint.pkix import certificate, crl, extension, name, ocsp
from pkilint.validation import ValidationFindingSeverity, ValidationResult
from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type.base import Asn1Type


def _decode_der(substrate: object, asn1Spec: Asn1Type) -> tuple[Asn1Type, bytes]:  # noqa: N803
    """pyasn1's own decoder in place of the fast one, which refuses the 128-bit arcs of X.667 identifiers."""
    decoded, rest = decoder.decode(bytes(substrate), asn1Spec=asn1Spec)
    if rest:
        raise PyAsn1Error("trailing octets")
    return decoded, b""


pkilint_document.decode_der = _decode_der

# pkilint takes every URI for a URL. RFC 5280 §4.2.1.6 asks for RFC 3986, which a URN (RFC 8141 §2) fulfils.
_URN = re.compile(r'pkix\.invalid_uri_syntax Invalid URI syntax: "urn:[a-z0-9][a-z0-9-]{0,30}:[A-Za-z0-9._~:-]+"$')

_DECODERS = [
    pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
    pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
]
_CERTIFICATE = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)
_CRL = crl.create_pkix_crl_validator_container(
    _DECODERS,
    [
        crl.create_issuer_validator_container([]),
        crl.create_validity_validator_container([]),
        crl.create_extensions_validator_container([]),
    ],
)
_OCSP = ocsp.create_pkix_ocsp_response_validator_container([ocsp.create_response_decoder(), *_DECODERS], [])


def lint_certificate(subject: x509.Certificate) -> list[str]:
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(subject.public_bytes(Encoding.DER))
    return _findings(_CERTIFICATE.validate(document.root))


def lint_pair(issuer: x509.Certificate, subject: x509.Certificate) -> list[str]:
    documents: dict[str, object] = {}
    load = loader.RFC5280CertificateDocumentLoader().load_der_document
    for role, each in (("issuer", issuer), ("subject", subject)):
        documents[role] = load(each.public_bytes(Encoding.DER), role, role, documents)
    issuer_root, subject_root = documents["issuer"].root, documents["subject"].root
    decoding = chain_linter.create_decoder_validation_container()
    return _findings(
        decoding.validate(issuer_root)
        + decoding.validate(subject_root)
        + chain_linter.create_issuer_validation_container().validate(issuer_root)
        + chain_linter.create_subject_validation_container().validate(subject_root)
    )


def lint_crl(der: bytes) -> list[str]:
    document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der)
    return _findings(_CRL.validate(document.root))


def lint_ocsp(der: bytes) -> list[str]:
    document = loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der)
    return _findings(_OCSP.validate(document.root))


def _findings(results: list[ValidationResult]) -> list[str]:
    generator = report.ReportGeneratorPlaintext(results, ValidationFindingSeverity.NOTICE)
    found = [
        f"{result.validator}: {found.finding.code} {found.message}"
        for result in results
        for found in generator.get_finding_descriptions_for_result(result)
    ]
    return [finding for finding in found if not _URN.search(finding)]

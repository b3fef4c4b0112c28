#!/usr/bin/env python3
"""Verify an evidence bundle offline: python verify.py BUNDLE.zip --root-sha256 HEX --head head.note

Needs this file, Python 3.11 and `cryptography`. Trust comes from outside: the digest of the root, and a head of the log
(C2SP checkpoint) as a witness keeps it. Exit status 0: everything verified; 1: something did not. What later revisions
changed in a PDF is left to `flask contracts verify`: here the log vouches for the whole file.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

ARC = "2.25.19415182244252287225712460991290668671"  # private object identifiers of the service
BINDING, LOG_POLICY = f"{ARC}.3.1", f"{ARC}.1.6"
SHORT_TERM, STAMPING, SIGNING = "0.4.0.194121.2.1", "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.36"
MESSAGE_DIGEST, CONTENT_TYPE = bytes.fromhex("2a864886f70d010904"), bytes.fromhex("2a864886f70d010903")
TOKEN, CERTIFICATE_V2, SIGNED_DATA = (bytes.fromhex(f"2a864886f70d01{e}") for e in ("0910020e", "0910022f", "0702"))
HASHES = {bytes.fromhex("608648016503040201"): "sha256", bytes.fromhex("608648016503040202"): "sha384"}
ALGORITHMS = ("300a06082a8648ce3d040302", "300a06082a8648ce3d040303", "300d06092a864886f70d01010b0500")  # with SHA-2
load = x509.load_der_x509_certificate


def check(good: object, why: str) -> None:
    if not good:
        raise ValueError(why)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def der(data: bytes, tags: str = "(..)*", most: int = 1000) -> list[tuple[int, bytes, bytes]]:
    """The first DER elements as (tag, content, whole); their tags in hexadecimal are as the expression says."""
    found = []
    while data and len(found) < most:
        octets = data[1] & 0x7F if data[1] >= 0x80 else 0
        length = int.from_bytes(data[2 : 2 + octets], "big") if octets else data[1]
        shortest = 0 if length < 0x80 else (length.bit_length() + 7) // 8
        check(data[1] != 0x80 and octets == shortest and 2 + octets + length <= len(data), "not DER")
        found.append((data[0], data[2 + octets : 2 + octets + length], data[: 2 + octets + length]))
        data = data[2 + octets + length :]
    check(re.fullmatch(tags, bytes(tag for tag, _, _ in found).hex()), "DER of another kind")
    return found


def unpack(bundle: bytes) -> dict[str, bytes]:
    """1. The container holds the parts that its manifest names, with their digests."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        names, plain = archive.namelist(), not any(entry.compress_type for entry in archive.infolist())
        check(plain and len(set(names)) == len(names) <= 256, "parts are doubled, compressed or too many")
        files = {name: archive.read(name) for name in names}
    manifest, digests = canonical(files.pop("manifest.json")), {name: sha256(data) for name, data in files.items()}
    check(manifest == {"format": "yunlian-evidence/1", "parts": digests}, "the digests of the parts differ")
    return files


def text_of(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def canonical(data: bytes):
    check(text_of(json.loads(data)) == data, "JSON that is not in canonical form")
    return json.loads(data)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except Exception:
        return False


class Trust:
    """2. Certificates under the root that was given, and answers on their revocation."""

    def __init__(self, parts: dict[str, bytes], root_sha256: str) -> None:
        roots = {sha256(data): data for name, data in parts.items() if name.startswith("anchors/")}
        check(set(roots) == {root_sha256}, "the bundle was made under another root")
        self.root = load(roots[root_sha256])
        self.pool = [load(data) for name, data in parts.items() if name.startswith("certificates/")]
        check(all(any(issued(c, i) for i in (*self.pool, self.root)) for c in self.pool), "an unknown issuer")
        signed = [data for name, data in parts.items() if name[:4] in ("cert", "revo") or name[4:8] == "cert"]
        check(all(der(der(data)[0][1])[2][1][0] == 0 for data in signed), "unused bits that no signature protects")
        self.crls = [x509.load_der_x509_crl(data) for name, data in parts.items() if name.startswith("revocation/")]
        for crl in self.crls:
            issuers = [c for c in (*self.pool, self.root) if c.subject == crl.issuer]
            check(any(crl.is_signature_valid(c.public_key()) for c in issuers), "a CRL that no authority signed")

    def chain(self, leaf: x509.Certificate, at: datetime, usage: str | None) -> None:
        """Valid under the root at that time, meant for this, and not revoked until then."""
        extended = [u.dotted_string for e in leaf.extensions if e.oid.dotted_string == "2.5.29.37" for u in e.value]
        check(extended == ([usage] if usage else []), "made for other uses")
        certificate, name = leaf, leaf.subject.rfc4514_string()
        while True:
            check(certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc, f"{name}: not valid then")
            if certificate == self.root:
                return
            issuers = [i for i in (*self.pool, self.root) if issued(certificate, i)]
            check(issuers, f"{name}: no issuer")
            if SHORT_TERM not in {e.oid.dotted_string for e in certificate.extensions}:  # ETSI EN 319 412-1 §5.2.2
                crls = [crl for crl in self.crls if crl.issuer == certificate.issuer]
                check(any(max(c.last_update_utc, c.next_update_utc) >= at for c in crls), f"{name}: revocation unknown")
                entries = [c.get_revoked_certificate_by_serial_number(certificate.serial_number) for c in crls]
                check(all(e is None or e.revocation_date_utc > at for e in entries), f"{name}: revoked")
            certificate = issuers[0]


class SignedData:
    """One CMS SignedData (RFC 5652) with one signer, verified over `content` or what it encloses."""

    def __init__(self, whole: bytes, content: bytes | None, trust: Trust) -> None:
        kind, body = der(der(whole, "30")[0][1], "06a0")
        members = der(der(body[1], "30")[0][1], "023130a031")
        inside, fields = der(members[2][1], "06(a0)?")[1:], der(der(members[-1][1], "30")[0][1], "023030a03004(a1)?")
        self.content = der(inside[0][1], "04")[0][1] if inside else content
        attributes = {der(a[1])[0][1]: der(a[1])[1][1] for a in der(fields[3][1])}
        name, signed = HASHES[der(fields[2][1])[0][1]], der(attributes[MESSAGE_DIGEST])[0][1]
        check(signed == hashlib.new(name, self.content).digest(), "the signed content was changed")
        form = members[0][2], fields[0][2], members[1][1], der(members[2][1])[0][2], fields[4][2].hex() in ALGORITHMS
        version = bytes((2, 1, 3 if inside else 1)), b"\2\1\1"
        check(form == (*version, fields[2][2], attributes[CONTENT_TYPE], True), "an odd SignedData")
        issuer, serial = der(fields[1][1], "3002")
        certificates = {(c.issuer.public_bytes(), c.serial_number): c for c in (load(e[2]) for e in der(members[3][1]))}
        self.signer = certificates[issuer[2], int.from_bytes(serial[1], "big")]
        check({*certificates.values()} - {self.signer} <= {*trust.pool, trust.root}, "a stray certificate")
        self.signature, self.attributes = fields[5][1], list(attributes.values())
        key, algorithm = self.signer.public_key(), getattr(hashes, name.upper())()
        scheme = (padding.PKCS1v15(), algorithm) if isinstance(key, rsa.RSAPublicKey) else (ec.ECDSA(algorithm),)
        key.verify(self.signature, b"\x31" + fields[3][2][1:], *scheme)
        digests = der(der(der(der(attributes[CERTIFICATE_V2])[0][1])[0][1])[0][1])
        check(digests[-2][1] == self.signer.fingerprint(hashes.SHA256()), "the signature names another certificate")
        unsigned = [der(e[1], "0631") for e in der(fields[6][1], "30")] if len(fields) == 7 else []
        kinds = [kind[1], *(attribute[0][1] for attribute in unsigned)]
        check(kinds in ([SIGNED_DATA], [SIGNED_DATA, TOKEN]), "an attribute that nobody vouches for")
        self.token = der(unsigned[0][1][1])[0][2] if unsigned else None


def stamp(whole: bytes, stamped: bytes, trust: Trust) -> datetime:
    """The time of an RFC 3161 token over `stamped`."""
    token = SignedData(whole, None, trust)
    info = der(der(token.content)[0][1])
    algorithm, imprint = der(info[2][1])
    check(imprint[1] == hashlib.new(HASHES[der(algorithm[1])[0][1]], stamped).digest(), "a stray time stamp")
    at = datetime.strptime(info[4][1].decode()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    trust.chain(token.signer, at, STAMPING)
    return at


def signatures(pdf: bytes, trust: Trust, used: set[bytes]):
    """3. Every signature of a PDF: (signer, attributes, time, bytes before it). The last one covers the whole file."""
    ranges = [tuple(map(int, m)) for m in re.findall(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", pdf)]
    end = 0
    for start, before, after, rest in ranges:
        check(start == 0 and end < before < after < after + rest <= len(pdf), "a byte range that covers too little")
        end, gap = after + rest, pdf[before:after]
        check(re.fullmatch(rb"<([0-9A-F]+|[0-9a-f]+)>", gap), "something hidden beside the signature")
        whole = der(contents := bytes.fromhex(gap[1:-1].decode()), most=1)[0][2]
        check(not any(contents[len(whole) :]), "something behind the signature")
        covered = pdf[:before] + pdf[after:end]
        if b"/ETSI.RFC3161" in pdf[max(0, before - 300) : before] + pdf[after : after + 600]:
            used.add(whole)
            yield None, [], stamp(whole, covered, trust), before
        else:
            signed = SignedData(whole, covered, trust)
            used.add(signed.token)
            at = stamp(signed.token, signed.signature, trust)
            trust.chain(signed.signer, at, SIGNING)
            yield signed.signer, signed.attributes, at, before
    check(end == len(pdf), "the last signature does not cover the whole file")


def check_binding(signer, attributes, pdf, before, parts, faces) -> str | None:
    """4. A person's signature binds to face check, consent wording and the document that was read."""
    found = [e.value.value for e in signer.extensions if e.oid.dotted_string == BINDING] if signer else []
    if not found:
        return None
    check(found[0] in attributes, "certificate and signature bind to different things")
    face, consent, document = (element[1] for element in der(der(found[0])[0][1]))
    wording = parts.get(f"consent/{consent.hex()}.json", b"")
    check(sha256(wording) == consent.hex(), "signed under another wording")
    faces.remove(face)  # KeyError: signed with another face check
    ends = [m.start() + 5 + n for m in re.finditer(rb"%%EOF", pdf[:before]) for n in (0, 1, 2)]
    check(document.hex() in {sha256(pdf[:end]) for end in ends}, "what the signer read is no revision of this file")
    return f"wording {canonical(wording)['version']}, face check {face.hex()[:16]}…, read {document.hex()[:16]}…"


def face_root(data: bytes) -> bytes:
    """The Merkle root of face evidence from its salted leaves (RFC 9162 §2.1.1)."""
    evidence, digests = canonical(data), []
    check((*sorted(evidence), evidence["format"]) == ("format", "leaves", "root", "yunlian-face-evidence/1"), "form")
    agreed = [leaf["name"] for leaf in evidence["leaves"][3:4] if leaf["name"] == "consent"]
    frames = [f"frame-{number:03d}" for number in range(len(evidence["leaves"]) - 4 - len(agreed))]
    names = ["report", "policy", "nonce", *agreed, *(["portrait", *frames] if frames else ["notes"])]
    for leaf, name in zip(evidence["leaves"], names, strict=True):
        check((*sorted(leaf), leaf["name"]) == ("content_sha256", "hash", "name", "salt", "text", name), "other leaves")
        salt, digest, text = leaf["salt"], leaf["content_sha256"], leaf["text"]
        expected = sha256(b"\0" + text_of({"content_sha256": digest, "name": name, "salt": salt}))
        digests.append(bytes.fromhex(leaf["hash"]))
        check(leaf["hash"] == (digests[-1].hex() if {salt, digest, text} == {None} else expected), "a changed leaf")
        check(text is None or sha256(text.encode()) == digest, "a face report was changed")
    check(tree(digests).hex() == evidence["root"], "the leaves do not lead to the root")
    return tree(digests)


def join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree(digests: list[bytes]) -> bytes:
    split = (1 << (len(digests) - 1).bit_length()) // 2
    return join(tree(digests[:split]), tree(digests[split:])) if len(digests) > 1 else digests[0]


def climb(node: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 §2.1.3)."""
    if size == 1:
        return node
    sibling, split = proof.pop(), 1 << (size - 1).bit_length() - 1
    right = index >= split
    node = climb(node, index - split if right else index, size - split if right else split, proof)
    return join(sibling, node) if right else join(node, sibling)


def check_log(parts: dict[str, bytes], head: bytes | None, trust: Trust, at: datetime) -> str:
    """5. The log under the given head holds an entry that names this very contract."""
    entry = canonical(parts["log/entry.json"])
    check(set(entry) == {"leaf", "index", "inclusion_proof", "checkpoint"}, "a log entry with unknown members")
    text, _, signature = entry["checkpoint"].encode().rpartition(b"\n\n")
    check(head is None or head.rpartition(b"\n\n")[0] == text, "the entry stands under another head than the given one")
    origin, size, root = text.decode().split("\n")[:3]
    trust.chain(certificate := load(parts["log/certificate.der"]), at, None)
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    check(LOG_POLICY in {policy.policy_identifier.dotted_string for policy in policies}, "no certificate of a log")
    value, key = base64.b64decode(signature.split(b" ")[-1]), certificate.public_key().public_bytes_raw()
    name = hashlib.sha256(origin.encode() + b"\n\1" + key).digest()[:4]
    line = f"— {origin} {base64.b64encode(value).decode()}\n".encode()
    check((signature, value[:4]) == (line, name), "the head's signature")
    certificate.public_key().verify(value[4:], text + b"\n")
    proof, leaf = [*map(bytes.fromhex, entry["inclusion_proof"])], b"\0" + entry["leaf"].encode()
    check(0 <= entry["index"] < int(size) and [n.hex() for n in proof] == entry["inclusion_proof"], "an odd proof")
    reached = climb(hashlib.sha256(leaf).digest(), entry["index"], int(size), proof)
    check(not proof and base64.b64encode(reached).decode() == root, "the log does not hold the entry")
    check(sha256(parts["contract.pdf"]) in entry["leaf"], "the entry is about another contract")
    return f"{origin}, {size} leaves"


def examine(bundle: bytes, root_sha256: str, head: bytes | None):
    """Every check in its order; yields what was passed. Raises ValueError and whatever else."""
    parts = unpack(bundle)
    yield "证据包完整，无多余内容", "the container is whole", f"{len(parts)} parts"
    trust = Trust(parts, root_sha256)
    yield "根证书与外部给定的摘要一致", "it stands under the given root", root_sha256
    faces = {face_root(data) for name, data in parts.items() if name.startswith("face/")}
    used, latest, report = set(), None, parts.get("report.pdf", sha256(parts["contract.pdf"]).encode())
    for name in sorted({"contract.pdf", "report.pdf"} & set(parts)):
        for signer, attributes, at, before in signatures(parts[name], trust, used):
            who, latest = signer.subject.rfc4514_string() if signer else "archive time stamp", max(latest or at, at)
            yield f"签名有效（{name}）", "a valid signature", f"{who}, {at.isoformat()}"
            if bound := check_binding(signer, attributes, parts[name], before, parts, faces):
                check(signer in trust.pool, "the signer's certificate is missing")
                yield "签名绑定同意文本、人脸核验与所阅文件", "it binds wording, face check and document", bound
    check(not faces, "a face check that no signature binds to")
    check({data for name, data in parts.items() if name.startswith("timestamps/")} <= used, "a stray time stamp")
    check(all(sha256(parts[n]).encode() in report for n in {"contract.pdf", "pages.json"} & set(parts)), "stray report")
    yield "存证日志包含本合同", "the log holds this contract", check_log(parts, head, trust, latest)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="离线验证证据包 / verify an evidence bundle offline")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--root-sha256", required=True, help="可信根证书的 SHA-256 / digest of the trusted root (DER)")
    parser.add_argument("--head", type=Path, help="经见证的日志头 / a head of the log from outside the bundle")
    options, number = parser.parse_args(arguments), 0
    try:
        head, root = options.head and options.head.read_bytes(), options.root_sha256.lower()
        for number, (zh, en, detail) in enumerate(examine(options.bundle.read_bytes(), root, head), start=1):
            print(f"✓ {number:2d}. {zh} / {en}\n       {detail}")
    except Exception as exc:
        print(f"✗ {number + 1:2d}. 验证失败 / failed: {exc or type(exc).__name__}")
        return 1
    warning = "" if head else "！ 未给定外部日志头 / no --head was given: the log's own word alone\n"
    print(f"{warning}✓ 全部验证通过 / everything verified")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

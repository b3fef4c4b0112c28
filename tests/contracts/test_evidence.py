"""A bundle proves itself offline; whatever is changed in it is found, even with all digests made to fit."""

import hashlib
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256

from contracts import der
from contracts.consent import ConsentWording, get_wording
from contracts.container import MANIFEST, canonical_json, pack, unpack
from contracts.der import elements
from contracts.errors import InvalidEvidence
from contracts.evidence import build_bundle, verify_bundle
from contracts.evidence_report import render_report
from contracts.face_commitment import face_root
from contracts.render import SignaturePlace
from contracts.signing import prepare_document, sign_with_key
from pki.assembly import PublicationUrls, Subject
from pki.authority import create_root
from pki.checkpoint import Checkpoint, sign_checkpoint
from pki.translog import MerkleLog, leaf_hash
from tests.contracts.conftest import make_face_evidence

VERIFIER = Path(__file__).parents[2] / "clients" / "evidence" / "verify.py"
FIELD = "enterprise-legal-representative"
PAGES = {FIELD: {"document_sha256": "d" * 64, "pictures": ["a" * 64, "b" * 64], "pictures_sha256": "e" * 64}}


class MemoryNodes:
    def __init__(self):
        self.count, self.nodes = 0, {}

    def size(self):
        return self.count

    def get(self, nodes):
        return [self.nodes[node] for node in nodes]

    def put(self, size, nodes):
        self.nodes |= nodes
        self.count = size


def log_entry(hierarchy, contract_sha256, key=None):
    leaf = json.dumps({"kind": "contract-completed", "body": {"document_sha256": contract_sha256}})
    log = MerkleLog(MemoryNodes())
    log.append([leaf_hash(b"before"), leaf_hash(leaf.encode()), leaf_hash(b"after")])
    checkpoint = Checkpoint("bank.example/journal", 3, log.root())
    return {
        "leaf": leaf,
        "index": 1,
        "inclusion_proof": [node.hex() for node in log.inclusion_proof(1, 3)],
        "checkpoint": sign_checkpoint(checkpoint, key or hierarchy.log_key, checkpoint.origin).decode(),
    }


@pytest.fixture
def arguments(contract, hierarchy, face_evidence, now):
    return {
        "contract": contract.archived,
        "consents": [get_wording()],
        "face_evidence": {FIELD: face_evidence},
        "certificates": [
            contract.signer,
            hierarchy.seal,
            hierarchy.signers.certificate,
            hierarchy.services.certificate,
        ],
        "anchors": [hierarchy.root.certificate],
        "log_entry": log_entry(hierarchy, hashlib.sha256(contract.archived).hexdigest()),
        "log_certificate": hierarchy.log,
        "crls": hierarchy.crls(now + timedelta(days=365)),
    }


@pytest.fixture
def bundle(arguments):
    return build_bundle(**arguments)


def test_same_parts_same_bytes(arguments, bundle):
    assert build_bundle(**arguments) == bundle


@pytest.mark.parametrize("days", [0, 365])
def test_verifies_with_the_root_alone(bundle, contract, hierarchy, now, days):
    report = verify_bundle(bundle, [hierarchy.root.certificate], now + timedelta(days=days))
    names = [step.name for step in report.steps]
    assert names == [
        "container",
        "trust",
        "signatures",
        "signatures",
        "signatures",
        "certificates",
        "consent",
        "face-evidence",
        "document",
        "log",
    ]
    assert report.contract_sha256 == hashlib.sha256(contract.archived).hexdigest()


def test_refuses_a_bundle_that_brings_its_own_root(bundle, hierarchy, now):
    key = ec.generate_private_key(ec.SECP256R1())
    other = create_root(Subject("别的根", "别处"), key, PublicationUrls("http://x.example"), hierarchy.clock)
    with pytest.raises(InvalidEvidence) as caught:
        verify_bundle(bundle, [other.certificate], now)
    assert caught.value.step == "trust"


def swapped_face(arguments, hierarchy):
    evidence = arguments["face_evidence"][FIELD]
    evidence["leaves"] = evidence["leaves"][1:]
    evidence["root"] = evidence["leaves"][0]["hash"]


def changed_face_report(arguments, hierarchy):
    arguments["face_evidence"][FIELD]["leaves"][0]["text"] = '{"passed":false}'


def no_face(arguments, hierarchy):
    arguments["face_evidence"] = {}


def other_wording(arguments, hierarchy):
    arguments["consents"] = [ConsentWording("2026-1", "别的文本", "another text")]


def no_signer_certificate(arguments, hierarchy):
    arguments["certificates"] = arguments["certificates"][1:]


def entry_of_another_contract(arguments, hierarchy):
    arguments["log_entry"] = log_entry(hierarchy, hashlib.sha256(b"another").hexdigest())


def head_by_another_key(arguments, hierarchy):
    digest = hashlib.sha256(arguments["contract"]).hexdigest()
    arguments["log_entry"] = log_entry(hierarchy, digest, ed25519.Ed25519PrivateKey.generate())


def log_with_the_seal_certificate(arguments, hierarchy):
    arguments["log_certificate"] = hierarchy.seal


def contract_with_something_after(arguments, hierarchy):
    arguments["contract"] += b"\n"


CASES = [
    (swapped_face, "face-evidence"),
    (changed_face_report, "face-evidence"),
    (no_face, "face-evidence"),
    (other_wording, "consent"),
    (no_signer_certificate, "certificates"),
    (entry_of_another_contract, "log"),
    (head_by_another_key, "log"),
    (log_with_the_seal_certificate, "log"),
    (contract_with_something_after, "signatures"),
]
FORGERIES = [forge for forge, _ in CASES]


@pytest.mark.parametrize(("forge", "step"), CASES)
def test_names_the_step_at_which_a_forged_bundle_fails(arguments, hierarchy, now, forge, step):
    forge(arguments, hierarchy)
    with pytest.raises(InvalidEvidence) as caught:
        verify_bundle(build_bundle(**arguments), [hierarchy.root.certificate], now)
    assert caught.value.step == step


def test_no_flipped_byte_of_a_part_is_accepted(bundle, hierarchy, now):
    """The digests in the manifest are made to fit, as a forger would."""
    parts = {name: data for name, data in unpack(bundle).items() if name != MANIFEST}
    chance = random.Random(20261122)
    for _ in range(60):
        name = chance.choice([name for name in parts if name != "contract.pdf"])
        changed = bytearray(parts[name])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        with pytest.raises(InvalidEvidence):
            verify_bundle(pack({**parts, name: bytes(changed)}), [hierarchy.root.certificate], now)


def test_no_flipped_byte_of_the_container_is_accepted(bundle, hierarchy, now):
    chance = random.Random(20261123)
    for _ in range(60):
        changed = bytearray(bundle)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        with pytest.raises(InvalidEvidence):
            verify_bundle(bytes(changed), [hierarchy.root.certificate], now)


@pytest.mark.parametrize("junk", [b"", b"PK", b"not a zip", b"PK\x03\x04" + bytes(100)])
def test_refuses_what_is_no_bundle(junk, hierarchy, now):
    with pytest.raises(InvalidEvidence):
        verify_bundle(junk, [hierarchy.root.certificate], now)


@pytest.fixture
def sealed(arguments, hierarchy):
    """A bundle whose readable report carries the bank's seal."""

    def make_report(*evidence):
        place = SignaturePlace("report-seal", "bank", "seal", 0, 400, 60, 114, 114)
        credentials = hierarchy.seal_key, hierarchy.seal, hierarchy.seal_chain
        fields = prepare_document(render_report(*evidence), [place])
        return sign_with_key(fields, "report-seal", *credentials, hierarchy.timestamps, at=hierarchy.clock.now)

    return build_bundle(**arguments, pages=PAGES, make_report=make_report)


def test_the_sealed_report_vouches_for_the_pictures_that_were_shown(sealed, bundle, verifier, hierarchy, head, now):
    root = hierarchy.root.certificate
    parts = {name: data for name, data in unpack(sealed).items() if name != MANIFEST}
    assert json.loads(parts["pages.json"]) == PAGES
    other = {**parts, "pages.json": parts["pages.json"].replace(b"a" * 64, b"c" * 64)}
    alone = {**unpack(bundle), "pages.json": parts["pages.json"]}
    del alone[MANIFEST]
    for forged in (other, alone):
        with pytest.raises(InvalidEvidence) as caught:
            verify_bundle(pack(forged), [root], now)
        assert caught.value.step == "report"
        with pytest.raises(ValueError, match="report"):
            list(verifier.examine(pack(forged), root.fingerprint(SHA256()).hex(), head))


def test_the_readable_report_walks_through_the_law(sealed, contract, hierarchy, now):
    verify_bundle(sealed, [hierarchy.root.certificate], now)
    document = pypdfium2.PdfDocument(unpack(sealed)["report.pdf"])
    text = re.sub(r"\s", "", "".join(page.get_textpage().get_text_bounded() for page in document))
    for expected in (
        "第十三条",
        "属于电子签名人专有",
        "仅由电子签名人控制",
        "张㛃𠮷",
        contract.binding.document_sha256.hex(),
    ):
        assert expected in text
    assert hashlib.sha256(contract.archived).hexdigest() in text


def offline(folder, bundle, root, head, *extra):
    (folder / "bundle.zip").write_bytes(bundle)
    (folder / "head.note").write_bytes(head)
    command = [sys.executable, "-I", VERIFIER, "bundle.zip", "--root-sha256", root, "--head", "head.note", *extra]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def root_sha256(hierarchy):
    return hierarchy.root.certificate.fingerprint(SHA256()).hex()


@pytest.fixture
def head(arguments):
    return arguments["log_entry"]["checkpoint"].encode()


def test_the_verifier_is_a_program_of_its_own(sealed, root_sha256, head, tmp_path):
    lines = VERIFIER.read_text().splitlines()
    assert len(lines) <= 300
    assert not [line for line in lines if re.match(r"(from|import) (contracts|pki|app|kyc|pyhanko|asn1crypto)", line)]
    good = offline(tmp_path, sealed, root_sha256, head)
    assert (good.returncode, good.stderr) == (0, "")
    assert "人脸核验" in good.stdout
    assert "everything verified" in good.stdout
    assert "no --head" not in good.stdout


def test_the_verifier_trusts_nothing_that_the_bundle_brings(sealed, root_sha256, head, arguments, hierarchy, tmp_path):
    forged = {**arguments, "log_entry": log_entry(hierarchy, "0" * 64)}
    other = forged["log_entry"]["checkpoint"].encode()
    assert offline(tmp_path, sealed, "0" * 64, head).returncode == 1
    assert offline(tmp_path, sealed, root_sha256, other).returncode == 1
    assert offline(tmp_path, build_bundle(**forged), root_sha256, other).returncode == 1
    assert offline(tmp_path, sealed[:-1], root_sha256, head).returncode == 1


@pytest.fixture
def verifier():
    spec = importlib.util.spec_from_file_location("offline_verifier", VERIFIER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("forge", FORGERIES)
def test_the_verifier_refuses_what_is_refused_online(arguments, hierarchy, verifier, root_sha256, forge):
    forge(arguments, hierarchy)
    head = arguments["log_entry"]["checkpoint"].encode()
    with pytest.raises(Exception):  # noqa: B017, PT011 - hostile bytes make a parser raise whatever it likes
        list(verifier.examine(build_bundle(**arguments), root_sha256, head))


def upper_case_proof(parts):
    parts["log/entry.json"] = re.sub(
        rb'(?<="inclusion_proof":\[")[0-9a-f]{64}', lambda m: m[0].upper(), parts["log/entry.json"]
    )


def upper_case_leaf(parts):
    name = f"face/{FIELD}.json"
    head, tail = parts[name].rsplit(b'"hash":"', 1)
    parts[name] = head + b'"hash":"' + tail[:64].upper() + tail[64:]


@pytest.mark.parametrize("change", [upper_case_proof, upper_case_leaf])
def test_a_digest_has_one_form(bundle, verifier, hierarchy, root_sha256, head, now, change):
    parts = {name: data for name, data in unpack(bundle).items() if name != MANIFEST}
    before = dict(parts)
    change(parts)
    assert parts != before
    with pytest.raises(ValueError, match=r"proof|leaf"):
        list(verifier.examine(pack(parts), root_sha256, head))
    with pytest.raises(InvalidEvidence):
        verify_bundle(pack(parts), [hierarchy.root.certificate], now)


def with_unused_bits(certificate):
    """The same certificate or CRL, whose signature says that its last bit does not count."""
    (outer,) = elements(certificate, der.SEQUENCE)
    *_, bits = elements(outer.content)
    place = len(certificate) - len(bits.content)
    return certificate[:place] + b"\1" + certificate[place + 1 :]


@pytest.mark.parametrize("folder", ["certificates/", "revocation/"])
def test_unused_bits_are_vouched_for_by_nobody(bundle, verifier, hierarchy, root_sha256, head, now, folder):
    """X.690 §11.2.1 wants them zero; parsers that take the octet for granted accept the rest as it was."""
    parts = {name: data for name, data in unpack(bundle).items() if name != MANIFEST}
    for name in [name for name in parts if name.startswith(folder)]:
        forged = pack({**parts, name: with_unused_bits(parts[name])})
        with pytest.raises(InvalidEvidence):
            verify_bundle(forged, [hierarchy.root.certificate], now)
        with pytest.raises(Exception):  # noqa: B017, PT011 - where the last bit is set, the parser refuses it
            list(verifier.examine(forged, root_sha256, head))


def renamed(evidence, place, name):
    leaf = evidence["leaves"][place]
    assert leaf["salt"] is None  # forgotten: nothing but the format binds its name
    leaf["name"] = name
    return evidence


CHECKED = {"documents": "report policy nonce consent", "pictures": "portrait frame-000 frame-001"}
ASSISTED = {"documents": "report policy nonce", "pictures": "notes"}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (CHECKED, lambda evidence: renamed(evidence, 5, "frame-001")),
        (CHECKED, lambda evidence: renamed(evidence, 6, "frame-002")),
        (CHECKED, lambda evidence: renamed(evidence, 4, "notes")),
        (ASSISTED, lambda evidence: renamed(evidence, 3, "portrait")),
        (ASSISTED, lambda evidence: renamed(evidence, 3, None)),
    ],
)
def test_a_forgotten_leaf_keeps_its_name(verifier, kind, change):
    evidence = make_face_evidence(**kind)
    assert face_root(evidence).hex() == verifier.face_root(canonical_json(evidence)).hex() == evidence["root"]
    change(evidence)
    with pytest.raises(InvalidEvidence):
        face_root(evidence)
    with pytest.raises(ValueError, match="leaves"):
        verifier.face_root(canonical_json(evidence))


@pytest.mark.parametrize(
    ("documents", "pictures"),
    [
        ("report policy", "notes"),
        ("report policy nonce consent", "portrait"),
        ("policy report nonce", "notes"),
        ("report policy nonce", "notes portrait"),
        ("report policy nonce", "portrait frame-001"),
        ("report policy nonce more", "portrait frame-000"),
    ],
)
def test_the_leaves_of_a_face_check_are_known(verifier, documents, pictures):
    evidence = make_face_evidence(documents=documents, pictures=pictures)
    with pytest.raises(InvalidEvidence):
        face_root(evidence)
    with pytest.raises(ValueError, match=r"leaves|zip"):
        verifier.face_root(canonical_json(evidence))


def test_proof_no_mutated_part_is_accepted(sealed, verifier, hierarchy, root_sha256, head, now):
    """Single-byte mutations of every part, the manifest made to fit: 400, or 10,000 with YUNLIAN_PROOF=full."""
    parts = {name: data for name, data in unpack(sealed).items() if name != MANIFEST}
    chance = random.Random(20261124)
    list(verifier.examine(sealed, root_sha256, head))
    accepted = []
    for number in range(10_000 if os.environ.get("YUNLIAN_PROOF") == "full" else 400):
        name = chance.choice(sorted(parts))
        changed = bytearray(parts[name])
        place, other_bits = chance.randrange(len(changed)), chance.randrange(1, 256)
        changed[place] ^= other_bits
        mutated = pack({**parts, name: bytes(changed)})
        try:
            list(verifier.examine(mutated, root_sha256, head))
            accepted.append(("verifier", name, place, other_bits))
        except Exception:  # noqa: S110 - refusing is all that counts here
            pass
        if number % 4 == 0:
            try:
                verify_bundle(mutated, [hierarchy.root.certificate], now)
                accepted.append(("package", name, place, other_bits))
            except InvalidEvidence:
                pass
    assert accepted == []


def test_proof_no_octet_of_the_reports_signature_is_free(sealed, verifier, root_sha256, head):
    """The report alone is vouched for by its signature only. Every 40th octet, or each with YUNLIAN_PROOF=full."""
    parts = {name: data for name, data in unpack(sealed).items() if name != MANIFEST}
    report = parts["report.pdf"]
    _, before, after, _ = map(int, re.findall(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\]", report)[-1])
    length = len(bytes.fromhex(report[before + 1 : after - 1].decode()).rstrip(b"\0"))
    chance, accepted = random.Random(20261122), []
    for octet in range(0, length, 1 if os.environ.get("YUNLIAN_PROOF") == "full" else 40):
        changed = bytearray(report)
        place = before + 1 + 2 * octet
        value = int(changed[place : place + 2], 16) ^ chance.randrange(1, 256)
        changed[place : place + 2] = f"{value:02x}".encode()
        try:
            list(verifier.examine(pack({**parts, "report.pdf": bytes(changed)}), root_sha256, head))
            accepted.append(octet)
        except Exception:  # noqa: S110 - refusing is all that counts here
            pass
    assert accepted == []

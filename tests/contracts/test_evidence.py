"""A bundle proves itself offline; whatever is changed in it is found, even with all digests made to fit."""

import hashlib
import json
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from contracts.consent import ConsentWording, get_wording
from contracts.container import MANIFEST, pack, unpack
from contracts.errors import InvalidEvidence
from contracts.evidence import build_bundle, verify_bundle
from pki.assembly import PublicationUrls, Subject
from pki.authority import create_root
from pki.checkpoint import Checkpoint, sign_checkpoint
from pki.translog import MerkleLog, leaf_hash

VERIFIER = Path(__file__).parents[2] / "clients" / "evidence" / "verify.py"
FIELD = "enterprise-legal-representative"


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


@pytest.mark.parametrize(
    ("forge", "step"),
    [
        (swapped_face, "face-evidence"),
        (changed_face_report, "face-evidence"),
        (no_face, "face-evidence"),
        (other_wording, "consent"),
        (no_signer_certificate, "certificates"),
        (entry_of_another_contract, "log"),
        (head_by_another_key, "log"),
        (log_with_the_seal_certificate, "log"),
        (contract_with_something_after, "signatures"),
    ],
)
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


def test_the_verifier_is_a_program_of_its_own(bundle, hierarchy, now, tmp_path):
    (tmp_path / "bundle.zip").write_bytes(bundle)
    (tmp_path / "root.pem").write_bytes(hierarchy.root.certificate.public_bytes(Encoding.PEM))
    command = [sys.executable, VERIFIER, "bundle.zip", "--trust", "root.pem", "--at", now.isoformat()]
    good = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert "人脸核验" in good.stdout
    assert "everything verified" in good.stdout

    (tmp_path / "bundle.zip").write_bytes(bundle[:-1])
    bad = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "failed" in bad.stdout

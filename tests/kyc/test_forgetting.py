"""Withdrawn consent: the key is gone, every copy of the pictures stays shut, and what was signed still verifies."""

import json

import pytest

from contracts.face_commitment import face_root
from kyc.errors import EvidenceInvalid, SealBroken
from kyc.evidence import build_evidence, parse_evidence, verify_evidence, verify_leaf
from kyc.sealing import new_data_key, open_sealed, seal, unwrap_data_key, wrap_data_key

MASTER = bytes(range(32))
PICTURES = {"portrait": b"portrait", **{f"frame-{i:03d}": b"picture %d" % i for i in range(12)}}
DOCUMENTS = {"report": {"liveness": {"passed": True}}, "policy": {"name": "standard"}, "nonce": {"sha256": "00" * 32}}
BIOMETRIC = frozenset(PICTURES)


def test_a_restored_backup_cannot_be_opened_and_the_root_still_verifies():
    # 1. As stored: pictures sealed under the person's key; the wrapped key in a store that backups leave out.
    data_key = new_data_key()
    keys = {"person 1": wrap_data_key(MASTER, data_key, "person 1")}
    evidence = build_evidence(DOCUMENTS, PICTURES)
    signed_root = evidence.root
    sealed = {name: seal(data_key, picture, f"picture:{name}") for name, picture in PICTURES.items()}
    backup = {"pictures": dict(sealed), "evidence": seal(data_key, json.dumps(evidence.to_json()).encode(), "evidence")}
    assert open_sealed(unwrap_data_key(MASTER, keys["person 1"], "person 1"), backup["evidence"], "evidence")
    # 2. Consent is withdrawn: the key is destroyed, the live evidence forgets its biometric leaves.
    del keys["person 1"], data_key
    kept = json.loads(json.dumps(evidence.forget(BIOMETRIC).to_json()))
    # 3. The backup comes back. Neither the master key, nor another person's, nor a new one opens it.
    others = [
        MASTER,
        new_data_key(),
        unwrap_data_key(MASTER, wrap_data_key(MASTER, new_data_key(), "person 1"), "person 1"),
    ]
    for key in others:
        for name, blob in backup["pictures"].items():
            with pytest.raises(SealBroken):
                open_sealed(key, blob, f"picture:{name}")
        with pytest.raises(SealBroken):
            open_sealed(key, backup["evidence"], "evidence")
    for name, picture in PICTURES.items():
        assert picture not in backup["pictures"][name]
    # 4. What the signature binds to verifies by both readers, and the report is still proven.
    restored = parse_evidence(kept)
    verify_evidence(restored)
    assert restored.root == signed_root == face_root(kept)
    verify_leaf(restored, "report", b'{"liveness":{"passed":true}}')
    for name, picture in PICTURES.items():
        assert restored.leaf(name).forgotten
        with pytest.raises(EvidenceInvalid):
            verify_leaf(restored, name, picture)


def test_a_forgotten_leaf_says_nothing_about_a_picture_somebody_still_has():
    evidence = build_evidence(DOCUMENTS, PICTURES)
    kept = json.dumps(evidence.forget(BIOMETRIC).to_json())
    for name in BIOMETRIC:
        leaf = evidence.leaf(name)
        assert leaf.salt is not None
        assert leaf.content_sha256 is not None
        assert leaf.salt.hex() not in kept
        assert leaf.content_sha256.hex() not in kept


def test_forgetting_twice_or_nothing_changes_nothing():
    evidence = build_evidence(DOCUMENTS, PICTURES)
    forgotten = evidence.forget(BIOMETRIC)
    assert forgotten.forget(BIOMETRIC) == forgotten
    assert evidence.forget(frozenset()) == evidence
    assert forgotten.root == evidence.root

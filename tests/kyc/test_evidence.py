import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyc.errors import EvidenceInvalid
from kyc.evidence import FaceEvidence, build_evidence, parse_evidence, verify_evidence, verify_leaf

FRAMES = {f"frame-{i:03d}": b"jpeg %d" % i for i in range(5)}


@pytest.fixture
def evidence() -> FaceEvidence:
    return build_evidence({"report": {"passed": True, "figure": 0.1}, "nonce": {"random": "00"}}, FRAMES)


@given(st.integers(1, 40))
def test_the_root_is_that_of_rfc_9162(count: int):
    evidence = build_evidence({}, {str(i): bytes([i]) for i in range(count)})
    # Level by level, an odd node out moving up unchanged: the same tree by another algorithm.
    level = [leaf.hash for leaf in evidence.leaves]
    while len(level) > 1:
        pairs = [sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    assert level == [evidence.root]


def test_a_leaf_can_be_recomputed_by_anyone(evidence: FaceEvidence):
    stored = next(leaf for leaf in evidence.to_json()["leaves"] if leaf["name"] == "frame-002")
    entry = {"content_sha256": sha256(b"jpeg 2").hexdigest(), "name": "frame-002", "salt": stored["salt"]}
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    assert sha256(b"\x00" + text.encode()).hexdigest() == stored["hash"]


def test_it_survives_storage(evidence: FaceEvidence):
    assert parse_evidence(json.loads(json.dumps(evidence.to_json()))) == evidence


def test_contents_are_proven_against_the_root(evidence: FaceEvidence):
    for name, jpeg in FRAMES.items():
        verify_leaf(evidence, name, jpeg)
    verify_leaf(evidence, "report", b'{"figure":0.1,"passed":true}')
    with pytest.raises(EvidenceInvalid):
        verify_leaf(evidence, "frame-000", b"another picture")
    with pytest.raises(EvidenceInvalid):
        verify_leaf(evidence, "frame-999", b"jpeg 0")


def test_equal_pictures_have_unlike_leaves():
    evidence = build_evidence({}, {"a": b"same", "b": b"same"})
    assert evidence.leaves[0].hash != evidence.leaves[1].hash


def test_forgotten_leaves_leave_the_rest_proven(evidence: FaceEvidence):
    kept = evidence.forget(frozenset(FRAMES))
    kept = parse_evidence(json.loads(json.dumps(kept.to_json())))
    assert kept.root == evidence.root
    assert kept.leaf("frame-000").forgotten
    verify_leaf(kept, "report", b'{"figure":0.1,"passed":true}')
    with pytest.raises(EvidenceInvalid):
        verify_leaf(kept, "frame-000", FRAMES["frame-000"])
    assert sha256(FRAMES["frame-000"]).hexdigest() not in json.dumps(kept.to_json())


@pytest.mark.parametrize("field", ["name", "hash", "salt", "content_sha256", "text"])
@pytest.mark.parametrize("value", [None, "", "00", "ü", 7])
def test_any_change_of_a_leaf_is_found(evidence: FaceEvidence, field: str, value: object):
    stored = evidence.to_json()
    if stored["leaves"][0][field] == value:
        pytest.skip("no change")
    stored["leaves"][0][field] = value
    # A text may be left out - the digest stays - but never changed.
    if (field, value) == ("text", None):
        assert parse_evidence(stored).root == evidence.root
        return
    with pytest.raises(EvidenceInvalid):
        parse_evidence(stored)


def test_leaves_cannot_be_dropped_reordered_or_doubled(evidence: FaceEvidence):
    leaves = evidence.leaves
    for changed in ((), leaves[:-1], (leaves[1], leaves[0], *leaves[2:]), (*leaves, leaves[-1])):
        with pytest.raises(EvidenceInvalid):
            verify_evidence(replace(evidence, leaves=changed))


@pytest.mark.parametrize("stored", [{}, {"format": "other", "root": "", "leaves": []}, {"format": None}])
def test_something_else_is_not_evidence(stored):
    with pytest.raises(EvidenceInvalid):
        parse_evidence(stored)

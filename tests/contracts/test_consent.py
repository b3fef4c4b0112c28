"""The wording that is signed is exactly the wording that was shown."""

import hashlib
import json

import pytest

from contracts.consent import ConsentWording, get_wording, parse_wording
from contracts.errors import UnknownWording


def test_versions_never_change():
    """Signatures stand under this digest; a new text is a new version."""
    assert get_wording("2026-1").sha256.hex() == ("f82ecdaa33b4336170b3c5191e5542b1dff8b9bd011747a52374c8d16b867029")


def test_digest_covers_version_and_both_texts():
    base = ConsentWording("1", "文", "text")
    others = [ConsentWording("2", "文", "text"), ConsentWording("1", "字", "text"), ConsentWording("1", "文", "t")]
    assert len({wording.sha256 for wording in (base, *others)}) == 4
    assert base.sha256 == hashlib.sha256(base.canonical_form()).digest()


def test_says_what_is_agreed():
    wording = get_wording()
    for said in ("电子签名", "同等的法律效力", "单独同意", "人脸", "协助核验"):
        assert said in wording.text("zh")
    assert "separate" in wording.text("en").lower()


def test_canonical_form_is_read_back_exactly():
    wording = get_wording()
    assert parse_wording(wording.canonical_form()) == wording
    pretty = json.dumps(json.loads(wording.canonical_form()), indent=1).encode()
    for other in (pretty, b"", b"{}", b"[]", wording.canonical_form() + b" "):
        with pytest.raises(UnknownWording):
            parse_wording(other)


def test_unknown_versions_and_languages():
    with pytest.raises(UnknownWording):
        get_wording("1999-1")
    with pytest.raises(UnknownWording):
        get_wording().text("fr")

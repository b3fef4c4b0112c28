import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from pki.checkpoint import (
    Checkpoint,
    cosign_checkpoint,
    parse_checkpoint_text,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignature,
)
from pki.errors import InvalidCheckpoint
from tests.pki.hierarchy import START

KEY = Ed25519PrivateKey.generate()
WITNESS = Ed25519PrivateKey.generate()
CHECKPOINT = Checkpoint("bank.example.com/log", 42, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, KEY, CHECKPOINT.origin)


def test_a_note_has_the_form_of_c2sp() -> None:
    lines = NOTE.decode().split("\n")
    assert lines[:4] == ["bank.example.com/log", "42", base64.b64encode(CHECKPOINT.root).decode(), ""]
    assert lines[4].startswith("— bank.example.com/log ")
    assert lines[5:] == [""]
    assert verify_checkpoint(NOTE, KEY.public_key()) == CHECKPOINT


def test_a_head_of_the_go_checksum_database_verifies() -> None:
    """Somebody else's log: sum.golang.org, whose key name is not its origin."""
    key = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
    note = (
        "go.sum database tree\n15368405\n/g9am3I6YWNKaZX/jkne1fqd9zEyjss+JXyPXG0WfkY=\n\n— sum.golang.org "
        "Az3grqJGUaSGukG9p8nI2vKgiFn7qGHxn0W+mrwyI6Gz3F0t1J3LzmWk/p96Ybf295EjwdSwlzgijq5WA9d1Ded7owM=\n"
    )
    public_key = Ed25519PublicKey.from_public_bytes(key)
    checkpoint = verify_checkpoint(note.encode(), public_key, "sum.golang.org")
    assert (checkpoint.origin, checkpoint.size) == ("go.sum database tree", 15368405)


def test_other_keys_and_names_do_not_count() -> None:
    for key, name in ((WITNESS.public_key(), None), (KEY.public_key(), "other"), (WITNESS.public_key(), "other")):
        with pytest.raises(InvalidCheckpoint):
            verify_checkpoint(NOTE, key, name)


def test_a_witness_cosigns_without_disturbing_the_log() -> None:
    both = cosign_checkpoint(NOTE, WITNESS, "witness.example.net", START)
    assert verify_checkpoint(both, KEY.public_key()) == CHECKPOINT
    assert verify_cosignature(both, WITNESS.public_key(), "witness.example.net") == START
    later = cosign_checkpoint(both, WITNESS, "second", START + timedelta(hours=1))
    assert verify_cosignature(later, WITNESS.public_key(), "second") == START + timedelta(hours=1)
    for note, key, name in (
        (NOTE, WITNESS.public_key(), "witness.example.net"),
        (both, KEY.public_key(), "witness.example.net"),
        (both.replace(b"\n42\n", b"\n43\n"), WITNESS.public_key(), "witness.example.net"),
    ):
        with pytest.raises(InvalidCheckpoint):
            verify_cosignature(note, key, name)


def test_no_flipped_bit_verifies() -> None:
    for bit in range(len(NOTE) * 8):
        note = bytearray(NOTE)
        note[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidCheckpoint):
            verify_checkpoint(bytes(note), KEY.public_key())


def test_stray_bits_behind_the_padding_are_refused() -> None:
    last = NOTE[-3:-2]  # of the base64 alphabet, before "=" and the newline; its two lowest bits mean nothing
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for stray in (1, 2, 3):
        note = NOTE[:-3] + bytes([alphabet[alphabet.index(last) | stray]]) + NOTE[-2:]
        with pytest.raises(InvalidCheckpoint):
            verify_checkpoint(note, KEY.public_key())


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(note: bytes) -> None:
    with pytest.raises(InvalidCheckpoint):
        verify_checkpoint(note, KEY.public_key())
    with pytest.raises(InvalidCheckpoint):
        verify_cosignature(note, KEY.public_key(), "x")


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", 1, bytes(31)),
        Checkpoint("a", 10**19, bytes(32)),
    ],
)
def test_what_cannot_be_written_is_not_signed(checkpoint: Checkpoint) -> None:
    with pytest.raises(InvalidCheckpoint):
        sign_checkpoint(checkpoint, KEY, "name")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_key_names_hold_no_blanks_or_plus(name: str) -> None:
    with pytest.raises(InvalidCheckpoint):
        sign_checkpoint(CHECKPOINT, KEY, name)


def test_extension_lines_are_signed_and_skipped() -> None:
    assert parse_checkpoint_text(CHECKPOINT.text() + "extension\n") == CHECKPOINT
    for bad in ("", "a\n", "a\n1\n", "a\n01\n" + "A" * 43 + "=\n", "a\n1\n" + "A" * 43 + "\n"):
        with pytest.raises(InvalidCheckpoint):
            parse_checkpoint_text(bad)

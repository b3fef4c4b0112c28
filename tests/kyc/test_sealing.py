import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyc.errors import SealBroken
from kyc.sealing import new_data_key, open_sealed, seal, unwrap_data_key, wrap_data_key

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


@given(st.binary(max_size=500), st.text(max_size=20))
def test_what_is_sealed_opens_with_its_key_in_its_context(plaintext: bytes, context: str):
    assert open_sealed(KEY, seal(KEY, plaintext, context), context) == plaintext


def test_nothing_is_sealed_alike_twice():
    assert seal(KEY, b"template", "person 1") != seal(KEY, b"template", "person 1")
    assert len(new_data_key()) == 32
    assert new_data_key() != new_data_key()


def test_another_key_or_another_context_does_not_open():
    sealed = seal(KEY, b"template", "person 1")
    for key, context in ((OTHER_KEY, "person 1"), (KEY, "person 2"), (KEY, "")):
        with pytest.raises(SealBroken):
            open_sealed(key, sealed, context)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_does_not_open(position: int, change: int):
    sealed = bytearray(seal(KEY, b"template", "person 1"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(SealBroken):
        open_sealed(KEY, bytes(sealed), "person 1")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 28, b"\x02" * 60])
def test_what_was_never_sealed_does_not_open(sealed: bytes):
    with pytest.raises(SealBroken):
        open_sealed(KEY, sealed, "person 1")


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(24), bytes(33)])
def test_a_key_of_another_length_is_refused(key: bytes):
    with pytest.raises(SealBroken):
        seal(key, b"template", "person 1")


def test_a_data_key_is_wrapped_for_one_person_and_is_not_data():
    data_key = new_data_key()
    wrapped = wrap_data_key(KEY, data_key, "person 1")
    assert unwrap_data_key(KEY, wrapped, "person 1") == data_key
    with pytest.raises(SealBroken):
        unwrap_data_key(KEY, wrapped, "person 2")
    with pytest.raises(SealBroken):
        open_sealed(KEY, wrapped, "person 1")

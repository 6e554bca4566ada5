"""Texts in which only some numbers change: the bytes around them stay, and a new number is that number."""

from hypothesis import given
from hypothesis import strategies as st

from deepgum.data.edits.texts import NumberStyle, Text, edited


def test_bytes_that_are_not_utf_8_stay(tmp_path):
    raw = b"\xef\xbb\xbfa\xff\x85b\r\nc\rd\n"
    (tmp_path / "a").write_bytes(raw)
    Text.read(tmp_path / "a").write(tmp_path / "new" / "b")
    assert (tmp_path / "new" / "b").read_bytes() == raw
    assert edited("abc", []) == "abc"


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 6), st.integers(1, 5))
def test_a_written_number_is_that_number(value, decimals, digits):
    text = NumberStyle(decimals, digits).text(value)
    assert float(text) == value
    assert len(text.partition(".")[2]) >= decimals

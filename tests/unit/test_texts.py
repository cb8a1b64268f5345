"""Which characters nobody sees."""

import sys
import unicodedata

import pytest

from services.ingest.parse.invisible_characters import has_invisible
from shared.texts import UNSEEN, quoted, seen, storable, storable_throughout

_EVERY = [chr(code) for code in range(sys.maxunicode + 1)]
_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def test_they_are_unicodes() -> None:
    found = {char for char in _EVERY if UNSEEN.match(char)}
    assert {char for char in _EVERY if unicodedata.category(char) in _CATEGORIES} <= found
    assert {unicodedata.category(char) for char in found} <= _CATEGORIES | {"Cn"}  # of a later Unicode


def test_names_in_messages_are_escaped_only_where_nobody_sees_them() -> None:
    assert quoted("caf\"é\\x'y") == "'caf\"é\\x'y'"
    assert quoted("a\u200bb\n\x1b[0m") == r"'a\u200bb\n\x1b[0m'"


def test_in_a_chunk_as_in_a_text() -> None:
    for first in range(0x80, sys.maxunicode, 128):
        chars = [char for char in _EVERY[first : first + 128] if not "\ud800" <= char <= "\udfff"]
        unseen = [char for char in chars if UNSEEN.match(char)]
        assert not has_invisible("x".join(char for char in chars if char not in unseen).encode())
        for char in unseen:
            assert has_invisible(f"店{char}".encode()), hex(ord(char))
    assert not has_invisible(b"\x7f"), "those within ASCII are looked for elsewhere"


@pytest.mark.parametrize(
    "text", ["a\x00", "\u202eexe.csv", "a\u0085b", "\ufeffid", "zero\u200bwidth", "\ud800"]
)
def test_a_name_with_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^holds U\+[0-9A-F]{4}, "):
        seen(text)


def test_what_cannot_be_stored_is_found_at_any_depth() -> None:
    assert storable("\u202e\n") == "\u202e\n"
    storable_throughout({"a": [1, None, {"b": "\n"}], "c": 1e400})
    for value in ("\x00", ["\udfff"], {"a": {"\ud800": 1}}, {"a": [[{"b": "x\x00"}]]}):
        with pytest.raises(ValueError, match="which is not text"):
            storable_throughout(value)

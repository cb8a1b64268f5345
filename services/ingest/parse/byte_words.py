"""Reads short ASCII fields of a whole column, eight bytes at a time, with numpy integer arithmetic."""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


def words_at_every_byte(text: bytes) -> Words:
    """Return a view whose element i is the little-endian word of `text[i:i + 8]`."""
    return np.ndarray((len(text) - 7,), "<u8", text, 0, (1,))


def word_of(text: bytes) -> np.uint64:
    """Return the little-endian word of up to eight bytes."""
    return np.uint64(int.from_bytes(text, "little"))


def low_bytes(count: int) -> np.uint64:
    """Return a mask of the first `count` bytes of a word."""
    return np.uint64((1 << 8 * count) - 1)


def match_digits(values: Words, template: bytes) -> tuple[Words, NDArray[np.bool_]]:
    """Return 0 to 9 in each byte where the template has `0`, and whether the word matches the template.

    Bytes beyond the template are ignored. Every other character must be equal.
    """
    places = word_of(bytes(0xF0 if char == ord("0") else 0xFF for char in template))
    sixes = word_of(bytes(6 if char == ord("0") else 0 for char in template))
    found = (values & low_bytes(len(template))) ^ word_of(template)
    return found, ((found | (found + sixes)) & places) == 0


def join_pairs(found: Words) -> Words:
    """Return in each byte i: ten times digit i plus digit i + 1."""
    return found * np.uint64(10) + (found >> np.uint64(8))


def byte_at(values: Words, index: int) -> NDArray[np.int64]:
    """Return one byte of each word."""
    return ((values >> np.uint64(8 * index)) & np.uint64(0xFF)).astype(np.int64)


def join_eight_digits(found: Words) -> NDArray[np.int64]:
    """Return the number that eight digits spell."""
    tens = join_pairs(found)
    mask = np.uint64(0x000000FF000000FF)
    high = (tens & mask) * np.uint64(0x000F424000000064)
    low = ((tens >> np.uint64(16)) & mask) * np.uint64(0x0000271000000001)
    return ((high + low) >> np.uint64(32)).astype(np.int64)

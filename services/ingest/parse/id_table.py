"""Finds the numbers of store ids by their bytes, for a whole chunk at once: a hash table in numpy arrays.

A file repeats its ids. To find one here costs a third of reading it as text and joining it with all known ids.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.byte_words import Words, low_bytes

Ints = NDArray[np.int64]
_WORD_BYTES: Final = 8
_WORDS: Final = 8
LONGEST_BYTES: Final = _WORDS * _WORD_BYTES
# For each word, by the size of an id: which of its bytes belong to the id.
_MASKS: Final = np.array(
    [
        [int(low_bytes(min(max(size - first, 0), _WORD_BYTES))) for size in range(LONGEST_BYTES + 1)]
        for first in range(0, LONGEST_BYTES, _WORD_BYTES)
    ],
    np.uint64,
)
# Odd and random: the highest bits of the sum of words times factors are a universal hash (Dietzfelbinger 1996). Each
# process draws its own, so no file can be made whose ids all have the same place.
_FACTORS: Final = np.random.default_rng().integers(1 << 63, size=_WORDS, dtype=np.uint64) * 2 + 1
_UNKNOWN: Final = -1
_FIRST_BITS: Final = 12
_ENTRIES_AT_ONCE: Final = 1 << 16  # bounds the memory for their words
_SPARSE: Final = 4  # at least as many places for each id


class IdTable:
    """Numbers of ids with at most `LONGEST_BYTES` bytes. Each place holds a number; an id is at its hash or after it."""

    def __init__(self) -> None:
        self._count = 0
        self._sizes = np.zeros(1, np.int64)
        self._words = np.zeros((_WORDS, 1), np.uint64)
        self._numbers = np.zeros(1, np.int32)
        self._make_places(_FIRST_BITS)

    def find(self, text: bytes, starts: Ints, ends: Ints) -> NDArray[np.int32]:
        """Return the number of each id `text[starts:ends]`, or -1. At least `LONGEST_BYTES` bytes follow each start."""
        sizes = ends - starts
        words = _read_words(text, starts, sizes)
        place = self._hash(words)
        found, is_decided = self._compare(place, words, sizes)
        pending = np.flatnonzero(~is_decided)
        while pending.size:
            place[pending] = (place[pending] + 1) & self._last_place
            found[pending], is_decided = self._compare(
                place[pending], [word[pending] for word in words], sizes[pending]
            )
            pending = pending[~is_decided]
        return found

    def add(self, text: bytes, starts: Ints, ends: Ints, numbers: NDArray[np.int32]) -> None:
        """Add distinct ids that are not in the table, none longer than `LONGEST_BYTES`."""
        first, self._count = self._count, self._count + len(numbers)
        if self._count > len(self._numbers):
            room = 2 * self._count - first
            self._sizes, self._numbers = _grow(self._sizes, room), _grow(self._numbers, room)
            self._words = _grow(self._words, room)
        added = slice(first, self._count)
        self._sizes[added], self._numbers[added], self._words[:, added] = ends - starts, numbers, 0
        for index, word in enumerate(_read_words(text, starts, ends - starts)):
            self._words[index, added] = word
        bits = self._bits
        while self._count * _SPARSE > 1 << bits:
            bits += 1
        if bits > self._bits:
            self._make_places(bits)
            first = 0
        for start in range(first, self._count, _ENTRIES_AT_ONCE):
            end = min(start + _ENTRIES_AT_ONCE, self._count)
            self._fill_places(np.arange(start, end, dtype=np.int32))

    def _make_places(self, bits: int) -> None:
        self._bits, self._last_place = bits, (1 << bits) - 1
        self._places = np.full(1 << bits, _UNKNOWN, np.int32)

    def _fill_places(self, entries: NDArray[np.int32]) -> None:
        place = self._hash(list(self._words[:, entries]))
        while entries.size:
            free = self._places[place] == _UNKNOWN
            # Entries with the same place overwrite each other: those that were lost try the next one.
            self._places[place[free]] = entries[free]
            lost = self._places[place] != entries
            entries, place = entries[lost], (place[lost] + 1) & self._last_place

    def _hash(self, words: list[Words]) -> Ints:
        total = words[0] * _FACTORS[0]
        for word, factor in zip(words[1:], _FACTORS[1:], strict=False):
            total += word * factor
        return np.asarray(total >> np.uint64(64 - self._bits), np.int64)

    def _compare(
        self, place: Ints, words: list[Words], sizes: Ints
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the numbers of the ids that are at these places, and which ids are there or nowhere in the table."""
        # `take` takes half the time of an index.
        entry = self._places.take(place)
        is_same = (self._sizes.take(entry) == sizes) & (sizes <= LONGEST_BYTES)
        for index, word in enumerate(words):
            is_same &= self._words[index].take(entry) == word
        is_same &= entry != _UNKNOWN
        return np.where(is_same, self._numbers.take(entry), np.int32(_UNKNOWN)), is_same | (entry == _UNKNOWN)


def _grow(values: NDArray[Any], room: int) -> NDArray[Any]:
    """Return the values with room for more. `np.resize` would keep twice the memory."""
    grown = np.empty((*values.shape[:-1], room), values.dtype)
    grown[..., : values.shape[-1]] = values
    return grown


def _read_words(text: bytes, starts: Ints, sizes: Ints) -> list[Words]:
    """Return the ids as words, with zeros at the end. Of an id that is too long, only the first words."""
    longest = min(int(sizes.max(initial=1)), LONGEST_BYTES)
    count = -(-longest // _WORD_BYTES)
    # All words of an id at once: that costs little more than to take one of them.
    view = np.ndarray((len(text) - count * _WORD_BYTES + 1,), f"V{count * _WORD_BYTES}", text, 0, (1,))
    words = [*np.ascontiguousarray(view[starts].view("<u8").reshape(len(starts), count).T)]
    sizes = np.minimum(sizes, LONGEST_BYTES)
    filled = int(sizes.min(initial=longest)) // _WORD_BYTES
    return [
        *words[:filled],
        *(word & masks[sizes] for word, masks in zip(words[filled:], _MASKS[filled:], strict=False)),
    ]

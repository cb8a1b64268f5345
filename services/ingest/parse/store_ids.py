"""Applies the rule for store ids (`shared/store_ids.py`) to a whole chunk: ids in plain ASCII take a fast path."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.byte_words import low_bytes, match_digits, word_of, words_at_every_byte
from services.ingest.parse.rows import Rows
from shared.store_ids import (
    LONGEST_ODD_BYTES,
    MARKED_AS_TEXT,
    MAX_STORE_ID_BYTES,
    NO_ID,
    clean_store_id,
    find_id_fault,
    is_odd_id,
)

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
_SPACE = ord(" ")


def _mark(characters: bytes) -> NDArray[np.bool_]:
    """Return a table by byte of the given characters, in both cases."""
    table = np.zeros(256, np.bool_)
    table[list(characters.lower() + characters.upper())] = True
    return table


# The characters that an odd word may start and end with.
_OPENS_WORD, _ENDS_WORD = _mark(b"n(<+-u\\[#"), _mark(b"l)>n]a.d!?#evbkt")
_ENDS_MONTH = _mark(b"abceglimnoprstuvyz.")  # 7-Sep, 07.Mrz
_IS_TEXT_MARK = _mark(MARKED_AS_TEXT.encode())
# An id that ends in at least this many digits is not odd: exponents, and zeros after a point, are shorter.
_DIGITS = b"00000000"
_TEN, _PLUS_TO_NINE = np.uint8(10), np.uint8(ord("9") - ord("+"))
_WORD_BYTES = len(_DIGITS)
_BEFORE_ID = np.array([int(low_bytes(_WORD_BYTES - size)) for size in range(_WORD_BYTES + 1)], np.uint64)


def check_store_ids(
    rows: Rows, faults: dict[int, str], *, allow_odd: bool = False, some: Ints | None = None
) -> pl.Series:
    """Return the clean ids of all or `some` rows of a chunk, and add the invalid ones to `faults`."""
    if some is None:
        some, ids = np.arange(len(rows.lines)), rows.ids
    else:
        ids = rows.pick_ids(some)
    found = _check_rows(rows, some, ids, allow_odd=allow_odd)
    faults.update((int(some[place]), fault) for place, fault in found.faults.items())
    return found.ids


@dataclass(frozen=True)
class _CheckedIds:
    """Clean ids, and the places of invalid ones among them with the reason."""

    ids: pl.Series
    faults: dict[int, str]


def _check_rows(rows: Rows, some: Ints, ids: pl.Series, *, allow_odd: bool) -> _CheckedIds:
    """Check the `ids` of `some` rows."""
    faults: dict[int, str] = {}
    if not len(ids):
        return _CheckedIds(ids, faults)
    text = np.frombuffer(rows.text, np.uint8)
    starts, ends = rows.starts[0][some], rows.ends[0][some]
    first, last = text[starts], text[ends - 1]
    if ((first == _SPACE) | (last == _SPACE)).any() or not _are_ascii(rows, ids):
        return _CheckedIds(_check_each(ids, faults, allow_odd=allow_odd), faults)
    lengths = ends - starts
    if lengths.min() == 0 or lengths.max() > MAX_STORE_ID_BYTES:
        faults.update((row, "store_id") for row in np.flatnonzero(lengths > MAX_STORE_ID_BYTES).tolist())
        faults.update((row, NO_ID) for row in np.flatnonzero(lengths == 0).tolist())
    if lengths.min() <= len(".."):
        dots = np.flatnonzero((lengths <= len("..")) & (first == ord(".")) & (last == ord(".")))
        faults.update((row, "store_id") for row in dots.tolist())
    if not allow_odd:
        suspects = [*_find_suspects(rows.text, ends, lengths, first, last)]
        if b"&" in rows.text:  # A&amp;B
            suspects.append(ids.str.contains("&", literal=True).arg_true().to_numpy())
        faults.update((row, "odd_id") for row in _find_odd(ids, suspects))
    return _CheckedIds(ids, faults)


def _are_ascii(rows: Rows, ids: pl.Series) -> bool:
    return rows.is_ascii or bool((ids.str.len_bytes() == ids.str.len_chars()).all())


def _check_each(ids: pl.Series, faults: dict[int, str], *, allow_odd: bool) -> pl.Series:
    distinct = ids.unique()
    clean = [clean_store_id(given) for given in distinct]
    found = {
        given: fault
        for given, store_id in zip(distinct, clean, strict=True)
        if (fault := find_id_fault(store_id, allow_odd=allow_odd))
    }
    if found:
        faults.update((row, found[given]) for row, given in enumerate(ids) if given in found)
    return ids.replace_strict(distinct, pl.Series(clean, dtype=pl.String))


def _find_suspects(text: bytes, ends: Ints, lengths: Ints, first: Bytes, last: Bytes) -> Iterable[Ints]:
    """Yield rows whose id may be odd: all that are, and few others."""
    zeros = np.flatnonzero(last == ord("0"))
    yield zeros[np.frombuffer(text, np.uint8)[ends[zeros] - 2] == ord(".")]
    yield np.flatnonzero(_IS_TEXT_MARK[first])
    if lengths.min() > LONGEST_ODD_BYTES:
        return
    # Of unsigned bytes: a lower character wraps around.
    ends_in_digit = last - np.uint8(ord("0")) < _TEN
    words = np.flatnonzero(~ends_in_digit)
    yield words[_OPENS_WORD[first[words]] & _ENDS_WORD[last[words]]]
    yield words[(first[words] - np.uint8(ord("0")) < _TEN) & _ENDS_MONTH[last[words]]]
    numbers = ends_in_digit & (first - np.uint8(ord("+")) <= _PLUS_TO_NINE)
    if numbers.all():
        yield np.flatnonzero(~_end_in_digits(text, ends, lengths))
    elif numbers.any():
        rows = np.flatnonzero(numbers)
        yield rows[~_end_in_digits(text, ends[rows], lengths[rows])]


def _end_in_digits(text: bytes, ends: Ints, lengths: Ints) -> NDArray[np.bool_]:
    """Return which ids have only digits among their last eight characters."""
    words = words_at_every_byte(text)[np.maximum(ends - _WORD_BYTES, 0)]
    if lengths.min() < _WORD_BYTES:
        before = _BEFORE_ID[np.minimum(lengths, _WORD_BYTES)]
        words = (words & ~before) | (word_of(_DIGITS) & before)
    _, digits = match_digits(words, _DIGITS)
    # The word of an id at the start of the text is another one.
    return digits & (ends >= _WORD_BYTES)


def _find_odd(ids: pl.Series, suspects: Iterable[Ints]) -> Iterator[int]:
    for rows in suspects:
        if rows.size:
            found = ids.gather(rows)
            odd = [store_id for store_id in found.unique() if is_odd_id(store_id)]
            yield from rows[found.is_in(odd).to_numpy()].tolist() if odd else ()

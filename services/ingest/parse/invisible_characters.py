"""Finds invisible characters in a whole chunk at once, 50 times as fast as `shared/texts.py` row by row."""

import numpy as np
from numpy.typing import NDArray

from shared.texts import UNSEEN_RANGES

# The lowest first byte of a character of two, three and four bytes (RFC 3629).
_LEAD_2, _LEAD_3, _LEAD_4 = 0xC2, 0xE0, 0xF0
_SURROGATES = (0xD800, 0xDFFF)  # not in UTF-8
_PAD = bytes(3)

_is_invisible = np.zeros(0x110000, np.bool_)
_beginnings: set[int] = set()
for _first, _last in UNSEEN_RANGES:
    if (_first, _last) != _SURROGATES:
        _is_invisible[_first : _last + 1] = True
        _beginnings |= {chr(_code).encode()[0] for _code in range(_first, _last + 1)}
_BEGINNINGS = sorted(first for first in _beginnings if first >= _LEAD_2)


def has_invisible(data: bytes) -> bool:
    """Return whether this UTF-8 text has an invisible character beyond ASCII."""
    if data.isascii():
        return False
    buffer = np.frombuffer(data + _PAD, np.uint8)
    leads = (lead for lead in _BEGINNINGS if bytes([lead]) in data)
    return any(_is_invisible[_decode_characters(buffer, lead)].any() for lead in leads)


def _decode_characters(buffer: NDArray[np.uint8], lead: int) -> NDArray[np.int32]:
    """Return the code points of all characters whose first byte is `lead`."""
    at = np.flatnonzero(buffer == lead)
    size = 2 if lead < _LEAD_3 else 3 if lead < _LEAD_4 else 4
    code = np.full(len(at), lead & (0x7F >> size), np.int32)
    for place in range(1, size):
        code = code << 6 | buffer[at + place] & 0x3F
    return code

"""Looks for characters that nobody sees in a whole chunk at once: `shared/texts.py` for each would be 50 times as slow."""

import numpy as np
from numpy.typing import NDArray

from shared.texts import UNSEEN_RANGES

_LEAD_2, _LEAD_3, _LEAD_4 = 0xC2, 0xE0, 0xF0  # the least first byte of two, three and four (RFC 3629)
_SURROGATES = (0xD800, 0xDFFF)  # not in UTF-8
_PAD = bytes(3)

_is_unseen = np.zeros(0x110000, np.bool_)
_beginnings: set[int] = set()
for _first, _last in UNSEEN_RANGES:
    if (_first, _last) != _SURROGATES:
        _is_unseen[_first : _last + 1] = True
        _beginnings |= {chr(_code).encode()[0] for _code in range(_first, _last + 1)}
_BEGINNINGS = sorted(first for first in _beginnings if first >= _LEAD_2)


def holds_unseen(data: bytes) -> bool:
    """Whether this UTF-8 holds such a character beyond ASCII."""
    if data.isascii():
        return False
    buffer = np.frombuffer(data + _PAD, np.uint8)
    leads = (lead for lead in _BEGINNINGS if bytes([lead]) in data)
    return any(_is_unseen[_code_points(buffer, lead)].any() for lead in leads)


def _code_points(buffer: NDArray[np.uint8], lead: int) -> NDArray[np.int32]:
    """Those of the characters that begin with this byte."""
    at = np.flatnonzero(buffer == lead)
    size = 2 if lead < _LEAD_3 else 3 if lead < _LEAD_4 else 4
    code = np.full(len(at), lead & (0x7F >> size), np.int32)
    for place in range(1, size):
        code = code << 6 | buffer[at + place] & 0x3F
    return code

"""Identifiers: UUID version 7 (RFC 9562, section 5.7), which sort by the millisecond of their creation."""

import os
import time
from typing import Final
from uuid import UUID

_RANDOM_BYTES: Final = 10
_DRAWN_AT_ONCE: Final = 256
# Each is used once, by one thread. A call of the system for every id would take longer than the rest of the id.
_drawn: Final[list[bytes]] = []
os.register_at_fork(after_in_child=_drawn.clear)


def new_id() -> UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(_draw())
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def _draw() -> bytes:
    """Return random bytes of the system, as `secrets` does."""
    try:
        return _drawn.pop()
    except IndexError:
        drawn = os.urandom(_RANDOM_BYTES * _DRAWN_AT_ONCE)
        own, *others = (drawn[at : at + _RANDOM_BYTES] for at in range(0, len(drawn), _RANDOM_BYTES))
        _drawn.extend(others)
        return own

"""How long one upload is loaded before uploads of other keys have their turns."""

import time
from collections.abc import Callable

FIRST_TURN_S = 5.0
_LONGER = 2.0
_LOOK_S = 0.5  # between two looks for other uploads


class TurnEnded(BaseException):
    """Others wait. What was read since the last committed chunk is read again in the next turn."""


class UploadTurn:
    """The turn of one upload: `length_s` seconds, and more while no other upload waits. Several threads may ask."""

    def __init__(self, length_s: float, others_wait: Callable[[], bool]) -> None:
        self.length_s = length_s
        self._others_wait = others_wait
        self._ends_s = time.monotonic() + length_s
        self._commits = False

    def note_commit(self) -> None:
        """Say that a chunk was committed, so the next turn goes on behind it."""
        self._commits = True

    def is_over(self) -> bool:
        """Whether its time is over and others wait."""
        if time.monotonic() < self._ends_s:
            return False
        if self._others_wait():
            return True
        self._ends_s = time.monotonic() + _LOOK_S
        return False

    def end_if_over(self) -> None:
        """Raise `TurnEnded` if it is over."""
        if self.is_over():
            raise TurnEnded

    @property
    def next_length_s(self) -> float:
        """The length of the upload's next turn: longer if this one came to nothing, so that each upload ends some time."""
        return self.length_s if self._commits else max(_LONGER * self.length_s, _LOOK_S)

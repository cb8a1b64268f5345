"""When the clients of a soak have to end: once they are asked to, or whoever started them is gone."""

import os
from pathlib import Path

_SIGN = "quiet"


class Ending:
    """Made where the client starts."""

    def __init__(self, directory: Path) -> None:
        self._sign = directory / _SIGN
        self._parent = os.getppid()

    def has_come(self) -> bool:
        return self._sign.exists() or os.getppid() != self._parent


def ask_to_end(directory: Path) -> None:
    (directory / _SIGN).touch()

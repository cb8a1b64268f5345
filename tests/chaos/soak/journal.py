"""What the clients of a soak saw, one JSON object a line: the only thing that the checks believe beside the files."""

import json
import time
from pathlib import Path
from threading import Lock
from typing import Any


class Journal:
    """Appends records; several threads may write."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = Lock()

    def write(self, what: str, **details: Any) -> None:
        with self._lock:
            self._file.write(json.dumps({"at": time.time(), "what": what, **details}) + "\n")
            self._file.flush()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The records in the order they were written; a last line that a kill cut short is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]

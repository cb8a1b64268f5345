"""Typeset the pages, in a process of its own: `python -m services.worker.printed.typeset` reads JSON and writes a PDF.

The data is never part of the template's source. The template can read no file outside this folder, and fetches nothing.
"""

import resource
import sys
from pathlib import Path
from typing import Final

import typst

MOST_MEMORY_BYTES: Final = 1 << 30
MOST_CPU_S: Final = 90  # measured: 14 s
_TEMPLATE: Final = "report.typ"


def typeset(data: str) -> bytes:
    """Return the PDF. The same data gives the same bytes on every machine: no clock, and only typst's own fonts."""
    folder = Path(__file__).parent
    found = typst.compile(
        folder / _TEMPLATE,
        root=folder,
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"data": data},
        timestamp=0,
    )
    assert isinstance(found, bytes)  # noqa: S101 - a PDF is one file
    return found


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit()
    sys.stdout.buffer.write(typeset(sys.stdin.buffer.read().decode()))

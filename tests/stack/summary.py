"""What a run did and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Summary:
    """Steps in order, each with its seconds and what it found."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, float, str]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step; what it appends to the list is shown beside it."""
        print(f"── {name}", flush=True)
        findings: list[str] = []
        began = time.monotonic()
        yield findings
        took_s = time.monotonic() - began
        self._lines.append((name, took_s, "; ".join(findings)))
        print(f"   {took_s:.1f} s  {'; '.join(findings)}", flush=True)

    def __str__(self) -> str:
        """One line a step."""
        return "\n".join(
            f"{took_s:7.1f} s  {name:<36} {found}".rstrip() for name, took_s, found in self._lines
        )

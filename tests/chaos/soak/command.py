"""The command line that the soaks share."""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tests.chaos.soak.run import Options


class Judged(Protocol):
    """What came of a soak; it prints itself."""

    @property
    def breaches(self) -> Sequence[str]:
        """The promises that were broken."""


def run_command(soak: Callable[[Options], Judged], description: str) -> int:
    """Run a soak as its options say. Return the exit status: 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", default=str(int.from_bytes(os.urandom(4))))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder to work in that is left as it is at the end")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uptill-soak-") as temporary:
        options = Options(given.keep or Path(temporary), given.seed, given.seconds, given.workers)
        print(f"seed {options.seed}", flush=True)
        outcome = soak(options)
    print(outcome)
    return 0 if not outcome.breaches else 1

"""The command of the soak; see the package."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.chaos.soak.run import Options, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
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


if __name__ == "__main__":
    sys.exit(main())

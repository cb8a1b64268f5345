"""The command. It prints what it saw, and ends with status 1 if a promise was broken."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.power.run import Options, lose_power


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.power", description=__doc__)
    parser.add_argument("--losses", type=int, default=3)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uptill-power-") as directory:
        seen = lose_power(Options(Path(directory), given.losses, given.seed))
    print(seen)
    return 1 if seen.breaches else 0


if __name__ == "__main__":
    sys.exit(main())

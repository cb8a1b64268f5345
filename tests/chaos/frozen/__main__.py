"""The command; prints what it saw, and ends with status 1 when a promise broke."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.frozen.run import SERVERS, freeze_each


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.frozen", description=__doc__)
    parser.add_argument(
        "servers", nargs="*", help=f"which to freeze, one after the other: {', '.join(SERVERS)}"
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--callers", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uptill-frozen-") as directory:
        seen = freeze_each(Path(directory), given.servers or SERVERS, given.seconds, given.callers)
    print(seen)
    return 1 if seen.breaches else 0


if __name__ == "__main__":
    sys.exit(main())

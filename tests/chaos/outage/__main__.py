"""The command; prints what it saw, and ends with status 1 when a promise broke."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.outage.run import HOW, Options, outage


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.outage", description=__doc__)
    parser.add_argument("servers", nargs="+", choices=["postgres", "valkey", "seaweedfs"])
    parser.add_argument("--how", choices=list(HOW), default="killed")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uptill-outage-") as directory:
        seen = outage(Options(Path(directory), tuple(given.servers), given.how, given.seconds))
    print(seen)
    return 1 if seen.breaches else 0


if __name__ == "__main__":
    sys.exit(main())

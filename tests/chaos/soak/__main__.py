"""The command of the soak; see the package."""

import sys

from tests.chaos.soak.command import run_command
from tests.chaos.soak.run import soak

if __name__ == "__main__":
    sys.exit(run_command(soak, __doc__))

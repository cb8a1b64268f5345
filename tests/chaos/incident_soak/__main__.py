"""The command of the soak of incidents; see the package."""

import sys

from tests.chaos.incident_soak.run import soak_incidents
from tests.chaos.soak.command import run_command

if __name__ == "__main__":
    sys.exit(run_command(soak_incidents, __doc__))

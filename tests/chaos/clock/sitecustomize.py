"""Python imports this at its start where PYTHONPATH names the folder: the process's clock goes wrong by so many seconds."""

import os
import sys
from datetime import UTC, datetime, timedelta

import time_machine

_OFF_BY = timedelta(seconds=float(os.environ.get("UPTILL_TEST_CLOCK_S", "0")))
if _OFF_BY:
    time_machine.travel(datetime.now(UTC) + _OFF_BY, tick=True).start()
    sys.stderr.write(f"clock {datetime.now(UTC).isoformat()}\n")

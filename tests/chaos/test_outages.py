"""Redis, Postgres or S3 away, or all of them: 202 or 503 and never a 500, and all is as before without a restart. `OUTAGE_S`: how long."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

_OUTAGE_S = float(os.environ.get("OUTAGE_S", "60"))
_AROUND_S = 240.0 + _OUTAGE_S  # what was asked for meanwhile is made afterwards
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(_OUTAGE_S + _AROUND_S + 10)]


@pytest.mark.parametrize("how", ["killed", "frozen"])
@pytest.mark.parametrize("servers", ["postgres", "valkey", "seaweedfs", "postgres valkey seaweedfs"])
def test_it_heals(servers: str, how: str, record_property: Callable[[str, object], None]) -> None:
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.chaos.outage",
            *servers.split(),
            "--how",
            how,
            "--seconds",
            f"{_OUTAGE_S:g}",
        ],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_OUTAGE_S + _AROUND_S,
    )
    record_property("measured", finished.stdout)
    assert finished.returncode == 0, finished.stdout

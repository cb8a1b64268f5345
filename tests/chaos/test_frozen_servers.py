"""Each server frozen in turn, ten callers for each kind of call: who does not need it does not notice. `FROZEN_S`: how long."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

_FROZEN_S = float(os.environ.get("FROZEN_S", "30"))
_AROUND_S = 300.0
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(_FROZEN_S + _AROUND_S + 10)]


@pytest.mark.parametrize("server", ["postgres", "valkey", "seaweedfs"])
def test_who_does_not_need_it_does_not_notice(
    server: str, record_property: Callable[[str, object], None]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.chaos.frozen", server, "--seconds", f"{_FROZEN_S:g}"],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_FROZEN_S + _AROUND_S,
    )
    record_property("measured", finished.stdout)
    assert finished.returncode == 0, finished.stdout

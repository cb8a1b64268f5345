"""Every process of an installation is killed at once, under load: what was acknowledged is there, and accepted work ends.

`POWER_LOSSES`: how often, in the long form.
"""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

_SHORT, _LONG = 1, int(os.environ.get("POWER_LOSSES", "50"))
_A_LOSS_S = 40.0


@pytest.mark.parametrize(
    "losses",
    [
        pytest.param(_SHORT, marks=pytest.mark.timeout(300)),
        pytest.param(_LONG, marks=[pytest.mark.chaos, pytest.mark.timeout(300 + _A_LOSS_S * _LONG)]),
    ],
)
def test_what_was_acknowledged_is_there(losses: int, record_property: Callable[[str, object], None]) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.chaos.power", "--losses", str(losses)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=290 + _A_LOSS_S * (losses - _SHORT),
    )
    record_property("measured", finished.stdout)
    assert finished.returncode == 0, finished.stdout
    assert f"{losses} losses" in finished.stdout

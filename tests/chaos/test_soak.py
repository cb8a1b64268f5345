"""The seeded soaks; `SOAK_S` and `SOAK_SEED` choose their length and their draws. Short forms are ordinary tests."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_SHORT_S, _LONG_S = 20.0, 180.0
_AROUND_S = 600.0  # start, rest and checks, on a very busy machine
each_soak = pytest.mark.parametrize("program", ["soak", "incident_soak"])


def soak(
    program: str, seconds: float, directory: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = os.environ.get("SOAK_SEED") or str(secrets.randbelow(10**6))
    record_property("measured", f"{program} of {seconds:g} s, seed {seed}: no outcome")
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            f"tests.chaos.{program}",
            "--seconds",
            f"{seconds:g}",
            "--seed",
            seed,
            "--keep",
            str(directory),
        ],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + _AROUND_S,
    )  # where it is goes to standard error, which pytest shows
    record_property("measured", f"{program} of {seconds:g} s\n{finished.stdout}")
    assert finished.returncode == 0, finished.stdout


@each_soak
@pytest.mark.timeout(_SHORT_S + _AROUND_S + 10)
def test_a_short_soak(program: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    soak(program, _SHORT_S, tmp_path, record_property)


@each_soak
@pytest.mark.chaos
@pytest.mark.timeout(float(os.environ.get("SOAK_S", _LONG_S)) + _AROUND_S + 10)
def test_a_long_soak(program: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    soak(program, float(os.environ.get("SOAK_S", _LONG_S)), tmp_path, record_property)

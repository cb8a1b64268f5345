"""The seeded soak; `SOAK_S` and `SOAK_SEED` choose its length and its draws. A short form is an ordinary test."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_SHORT_S, _LONG_S = 25.0, 180.0
_AROUND_S = 600.0  # start, rest and checks, on a very busy machine


def soak(seconds: float, directory: Path, record_property: Callable[[str, object], None]) -> None:
    seed = os.environ.get("SOAK_SEED") or str(secrets.randbelow(10**6))
    record_property("measured", f"soak of {seconds:g} s, seed {seed}: no outcome")
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.chaos.soak",
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
    record_property("measured", f"soak of {seconds:g} s\n{finished.stdout}")
    assert finished.returncode == 0, finished.stdout


@pytest.mark.timeout(_SHORT_S + _AROUND_S + 10)
def test_a_short_soak(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    soak(_SHORT_S, tmp_path, record_property)


@pytest.mark.chaos
@pytest.mark.timeout(float(os.environ.get("SOAK_S", _LONG_S)) + _AROUND_S + 10)
def test_a_long_soak(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    soak(float(os.environ.get("SOAK_S", _LONG_S)), tmp_path, record_property)

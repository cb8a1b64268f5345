"""Runs the real `uptill ingest` as a process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.fixtures import warm_start
from tests.fixtures.warm_start import Process

_MODULE = "services.ingest"
COLD = (sys.executable, "-W", "error", "-m", _MODULE)  # without a warm start, which memory is measured with


def environment(database_url: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "UPTILL_DATABASE_URL": database_url, "COLUMNS": "200", **(more or {})}


def run_ingest(
    database_url: str, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return warm_start.run(
        [_MODULE, *arguments],
        env=environment(database_url, env),
        stdin=stdin,
        strict=True,
        timeout=120,
    )


def start_ingest(
    database_url: str, *arguments: str, env: Mapping[str, str] | None = None, output: Path = Path(os.devnull)
) -> Process:
    """Start the command; what it prints goes to `output`."""
    with output.open("wb") as printed:
        return warm_start.start(
            [_MODULE, *arguments],
            env=environment(database_url, env),
            stdout=printed,
            stderr=printed,
            strict=True,
        )

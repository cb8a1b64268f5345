"""Runs the real `uptill ingest` as a process."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.fixtures.warm_start import run as run_module

COMMAND = (sys.executable, "-W", "error", "-m", "services.ingest")


def environment(database_url: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "UPTILL_DATABASE_URL": database_url, "COLUMNS": "200", **(more or {})}


def run_ingest(
    database_url: str, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return run_module(
        ["services.ingest", *arguments],
        env=environment(database_url, env),
        stdin=stdin,
        strict=True,
        timeout=120,
    )

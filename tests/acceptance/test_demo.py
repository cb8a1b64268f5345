"""`uptill demo`, as `make demo` runs it: the main job by the user's commands, and then nothing is left."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil


def processes_with(text: str) -> list[int]:
    """Processes of this machine that have `text` in their command line or work in a folder of that name."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "cwd"])
        if any(text in part for part in [*(process.info["cmdline"] or []), process.info["cwd"] or ""])
    ]


def test_the_demo_shows_the_main_job_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    demo = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--stores", "60", "--days", "9"],
        env={**environment, "TMPDIR": str(tmp_path), "COLUMNS": "120"},
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    counts = re.search(r"polls\W+([\d,]+)\W+(\d+)\W+(\d+)\W+(\d+)", demo.stdout)
    assert counts is not None
    assert int(counts[1].replace(",", "")) > 1_000
    assert int(counts[4]) == 0, "nothing of the sample is rejected"
    assert "store_id,uptime_last_hour,uptime_last_day,uptime_last_week,downtime_last_hour" in demo.stdout
    assert re.search(r"link after [\d.]+ s \(HTTP 200, [\d,]+ bytes\)", demo.stdout)
    assert "X-Amz-Signature=" in demo.stdout
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []

"""`uptill demo`, as `make demo` runs it: the main job by the user's commands, and then nothing is left."""

import os
import pty
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from uptill_client import UptillClient


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
    told = re.findall(r"later, the receiver got: (.*)", demo.stdout)
    assert told == ["Opened: store is down (demo-store)", "Resolved: store is down (demo-store)"]
    assert "has it as resolved" in demo.stdout
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []


def read_screen(primary: int, until: bytes = b"") -> str:
    """Read the screen until it shows a text, or until the terminal's last user has left."""
    shown = b""
    while not until or until not in shown:
        try:
            shown += os.read(primary, 65_536)
        except OSError:
            break
    return shown.decode()


def find_stores_down_yesterday(shown: str) -> set[str]:
    """Look around with the address and the key on the screen: the stores with an outage from 17:00 to 24:00 UTC."""
    url, key = re.search(r"Look around: (\S+)/", shown), re.search(r"Sign in with the key (\S+)", shown)
    assert url is not None, shown
    assert key is not None, shown
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with UptillClient(url[1], key[1]) as client:
        ids = [store.store_id for store in client.stores()]
        outages = client.outages(store_ids=ids, begin=midnight - timedelta(hours=7), end=midnight)
        return {outage.store_id for outage in outages}


def test_with_keep_the_page_shows_yesterday_until_ctrl_c_and_then_nothing_is_left(tmp_path: Path) -> None:
    primary, secondary = pty.openpty()
    with os.fdopen(secondary, "r+b", buffering=0) as screen:
        demo = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "demo", "--stores", "40", "--days", "6", "--keep"],
            env={**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "160"},
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
        )
    shown = read_screen(primary, b"Ctrl-C stops the demo")
    try:
        assert len(find_stores_down_yesterday(shown)) > 1
    finally:
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        shown += read_screen(primary)
        os.close(primary)
    assert demo.wait(60) == 0, shown
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []


def test_keep_needs_a_terminal(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--keep"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert demo.returncode == 2
    assert "needs a terminal" in demo.stderr
    assert list(tmp_path.iterdir()) == []

"""A demo that fails keeps its logs, removes its data, and touches no other installation."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.test_demo import processes_with


def test_a_failed_demo_keeps_its_logs_and_prints_where(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    # Postgres may not write a file as large as a segment of its log (16 MB).
    limited = f"ulimit -f 8000; exec {sys.executable} -m services.cli demo --stores 60 --days 9"
    demo = subprocess.run(
        ["bash", "-c", limited],
        env={
            **environment,
            "TMPDIR": str(tmp_path),
            "UPTILL_DATABASE_URL": "postgresql://other@127.0.0.1:1/x",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert demo.returncode == 1, demo.stdout + demo.stderr
    assert "Traceback" not in demo.stdout + demo.stderr
    kept = re.search(r"Its logs are kept in (\S+)", demo.stderr)
    assert kept is not None, demo.stderr
    folder = Path(kept[1])
    assert {path.name for path in folder.iterdir()} <= {"logs", "up.log"}
    assert list((folder / "logs").glob("*.log"))
    assert processes_with(str(tmp_path)) == []

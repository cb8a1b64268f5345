"""A test process that is killed leaves no process behind that it started warm."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_STARTS = """
import os, time
from tests.fixtures.warm_start import start

null = open(os.devnull, "wb")
started = start(["http.server", "0", "--bind", "127.0.0.1"], env=dict(os.environ), stdout=null, stderr=null)
print(started.pid, flush=True)
time.sleep(600)
"""


def test_what_a_killed_test_process_started_ends_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STARTS], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE
    ) as killed:
        assert killed.stdout
        pidfd = os.pidfd_open(int(killed.stdout.readline()))
        try:
            assert select.select([pidfd], [], [], 0)[0] == []
            killed.send_signal(signal.SIGKILL)
            assert select.select([pidfd], [], [], 30)[0] == [pidfd]
        finally:
            os.close(pidfd)

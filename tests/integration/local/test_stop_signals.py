"""A stop signal is noticed, whatever the threads of the process are doing."""

import signal
import subprocess
import sys

import pytest

# A thread that starts another one blocks its signals and allows them again; a signal that has not reached the sleeping
# main thread by then is taken by that thread.
_STARTS_THREADS = """
import threading
from shared.stop_signals import ShutdownSignals

stop = ShutdownSignals()

def start_threads():
    while not stop.requested:
        one = threading.Thread(target=int)
        one.start()
        one.join()

for _ in range(4):
    threading.Thread(target=start_threads, daemon=True).start()
print("ready", flush=True)
stop.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_one_signal_is_enough_while_threads_start_threads(number: signal.Signals) -> None:
    """Where only the signal itself wakes the main thread, half of the processes sleep on."""
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", _STARTS_THREADS], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(number)
            try:
                assert process.wait(60) == 0
            finally:
                process.kill()

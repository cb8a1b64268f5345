"""Trigger to link over the reference set, warm: medians with one worker and with two, and their ratio."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from tests.fixtures.services import Services

_ROUNDS = 9


def run(env: Mapping[str, str], logs: Path) -> None:
    """Print the figures for a database that is loaded already."""
    with Services(env, logs) as services:
        services.api()
        services.scheduler()
        medians = {}
        for workers in (1, 2):
            process = services.worker()
            medians[workers] = _trigger_to_link(services)
            print(
                f"report  {workers} worker(s): trigger to link {medians[workers]:.3f} s (median of {_ROUNDS}, warm)"
            )
        print(f"report  two workers are {medians[1] / medians[2]:.2f} x one")
        print(f"report  worker peak memory {_peak_bytes(process.pid) / 2**20:.0f} MiB")


def _trigger_to_link(services: Services) -> float:
    times = []
    with services.client() as client:
        for _ in range(_ROUNDS + 2):
            began = time.perf_counter()
            *_, status = client.follow(client.create_report(force=True).id)
            times.append(time.perf_counter() - began)
            assert status.state == "succeeded"
    return statistics.median(times[2:])


def _peak_bytes(pid: int) -> int:
    """High-water mark of the resident memory, which Linux keeps."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

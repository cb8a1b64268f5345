"""`uptill up --metrics-port`: each process serves its metrics, on consecutive ports."""

import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import psutil

from services.local.ports import HOST, free_ports
from tests.fixtures.metrics import scrape, value
from tests.fixtures.services import wait_until

SERVICES = {
    "api": "uptill_http_request_duration_seconds_count",
    "ingest": "uptill_http_request_duration_seconds_count",
    "scheduler": "uptill_schedules_fired_total",
    "worker-1": "uptill_batches_claimed_total",
    "worker-2": "uptill_batches_claimed_total",
}


def row_of_free_ports(count: int) -> int:
    """The first of so many in a row, below those that the kernel gives to whoever connects."""
    for first in random.sample(range(10_000, 30_000), 50):
        try:
            for port in range(first, first + count):
                with socket.create_server((HOST, port)):
                    pass
        except OSError:
            continue
        return first
    raise AssertionError("no free ports in a row")


def up(data: Path, first: int) -> subprocess.Popen[bytes]:
    api, ingest = free_ports(2)
    options = [f"--data={data}", f"--port={api}", f"--ingest-port={ingest}", f"--metrics-port={first}"]
    with (data.parent / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up", *options], stdout=output, stderr=output
        )


def shows(port: int, series: str) -> bool:
    try:
        return any(name == series for name, _ in scrape(port))
    except httpx2.HTTPError:
        return False


def test_every_process_has_a_port(tmp_path: Path) -> None:
    first = row_of_free_ports(len(SERVICES))
    stack = up(tmp_path / "data", first)
    try:
        wait_until(
            lambda: stack.poll() is not None or (tmp_path / "data" / "ready").exists(),
            "the stack",
            within_s=120,
        )
        assert stack.poll() is None, (tmp_path / "output").read_text()
        for port, (name, series) in enumerate(SERVICES.items(), start=first):
            wait_until(lambda port=port, series=series: shows(port, series), f"metrics of {name}")  # type: ignore[misc]
        assert value(scrape(first + 2), "uptill_source_up", source="postgres") == 1
    finally:
        children = psutil.Process(stack.pid).children(recursive=True) if stack.poll() is None else []
        stack.send_signal(signal.SIGTERM)
        assert stack.wait(60) == 0
    assert not any(child.is_running() for child in children)


def test_a_port_that_is_taken_is_named_with_its_option(tmp_path: Path) -> None:
    first = row_of_free_ports(3)
    with socket.create_server((HOST, first + 2)):
        stack = up(tmp_path / "data", first)
        assert stack.wait(60) == 1
    told = " ".join((tmp_path / "output").read_text().split())
    assert f"port {first + 2}, needed for the metrics of scheduler, is taken" in told
    assert "--metrics-port" in told

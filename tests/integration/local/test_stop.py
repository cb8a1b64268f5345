"""A signal stops the stack cleanly, and no process is left."""

import signal
from pathlib import Path

import pytest

from services.local.ports import free_ports, is_free
from tests.fixtures.local_stack import all_gone, started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    [port] = free_ports(1)
    with started(tmp_path / "data", port) as stack:
        everything = stack.await_ready().everything()
        assert len(everything) > 5  # itself, keeper, service, three servers, Postgres's own processes
        assert stack.end(number) == 0, stack.output
    assert all_gone(everything)
    assert not (tmp_path / "data" / "ready").exists()
    assert is_free(port)
    assert "stopped" in stack.output


def test_a_signal_while_it_starts_stops_everything(tmp_path: Path) -> None:
    with started(tmp_path / "data") as stack:
        while not (tmp_path / "data" / "postgres").exists():
            assert stack.process.poll() is None, stack.output
        everything = stack.everything()
        assert stack.end(signal.SIGTERM) == 0, stack.output
    assert all_gone(everything)
    assert not (tmp_path / "data" / "ready").exists()

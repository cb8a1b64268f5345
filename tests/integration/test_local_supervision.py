"""A service that ends is started again; a server that ends, ends the stack."""

from pathlib import Path

from services.cli.local.ports import free_ports
from tests.fixtures.local_stack import all_gone, eventually, started


def test_a_service_that_is_killed_runs_again(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with started(tmp_path / "data", port) as stack:
        killed = stack.await_ready().named("do_GET")
        killed.kill()
        eventually(lambda: "Starting web again" in stack.output)
        eventually(lambda: sum("do_GET" in " ".join(p.cmdline()) for p in stack.everything()[1:]) == 1)
        assert stack.named("do_GET").pid != killed.pid
        assert stack.process.poll() is None
    assert "web was killed by SIGKILL" in stack.output


def test_a_service_that_cannot_start_ends_the_stack_with_its_last_words(tmp_path: Path) -> None:
    with started(tmp_path / "data", service="broken_service") as stack:
        assert stack.process.wait(60) == 1
    assert "web exited with code 1" in stack.output
    assert "the moon is in the wrong house" in stack.output


def test_a_server_that_dies_ends_the_stack_with_its_last_words(tmp_path: Path) -> None:
    with started(tmp_path / "data") as stack:
        everything = stack.await_ready().everything()
        stack.named("valkey-server").kill()
        assert stack.process.wait(60) == 1
    assert "valkey was killed by SIGKILL" in stack.output
    assert "Ready to accept connections" in stack.output
    assert all_gone(everything)

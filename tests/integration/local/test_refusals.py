"""The stack refuses to start with a message that names the problem and the fix, and changes nothing."""

import http.client
import socket
from pathlib import Path

from services.local.ports import HOST, free_ports
from tests.fixtures.local_stack import LocalStack, started


def _refusal(stack: LocalStack) -> str:
    assert stack.process.wait(60) == 1, stack.output
    return stack.output


def test_a_second_stack_on_the_same_folder(tmp_path: Path) -> None:
    port, other_port = free_ports(2)
    with started(tmp_path / "data", port) as first:
        before = first.await_ready().settings
        with started(tmp_path / "data", other_port) as second:
            message = _refusal(second)
        assert f"process {first.process.pid}" in message
        assert "--data" in message
        assert first.settings == before
        assert (tmp_path / "data" / "ready").exists()
        connection = http.client.HTTPConnection(HOST, port)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"here"
        connection.close()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with started(tmp_path / "data", port) as stack:
            message = _refusal(stack)
    assert f"port {port}" in message
    assert "--port" in message
    assert not (tmp_path / "data" / "postgres").exists()


def test_data_without_the_passwords_to_it(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    with started(tmp_path / "data") as stack:
        assert "credentials.json is missing" in _refusal(stack)
    assert list((tmp_path / "data" / "postgres").iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with started(tmp_path / "data") as stack:
        assert "File exists" in _refusal(stack)

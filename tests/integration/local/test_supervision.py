"""Servers and services that end or hang are restarted, while the others keep running."""

import signal
import socket
from pathlib import Path

import psutil

from services.local.ports import HOST, free_ports
from tests.fixtures.local_stack import LocalStack, all_gone, eventually, started
from tests.integration.local.test_kill import endpoints, read, write

POSTGRES, VALKEY, SEAWEEDFS = ("bin/postgres", "-D"), ("valkey-server",), ("weed", "server")


def is_ready(stack: LocalStack) -> bool:
    return (stack.data / "ready").exists()


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


def test_a_service_that_cannot_start_ends_the_stack_and_shows_its_log(tmp_path: Path) -> None:
    with started(tmp_path / "data", service="broken_service") as stack:
        assert stack.process.wait(60) == 1
    assert "web exited with code 1" in stack.output
    assert "the moon is in the wrong house" in stack.output


def test_servers_that_are_killed_come_back_with_their_data(tmp_path: Path) -> None:
    with started(tmp_path / "data") as stack:
        service = stack.await_ready().named("do_GET")
        settings = stack.settings
        write(endpoints(stack))
        log = tmp_path / "data" / "valkey" / "appendonlydir"
        for words in (POSTGRES, SEAWEEDFS, VALKEY):
            stack.named(*words).kill()
        [increments] = log.glob("*.incr.aof")
        with increments.open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf")  # killed in the middle of this write
        eventually(lambda: not is_ready(stack))
        for name in ("postgres", "seaweedfs", "valkey"):
            eventually(lambda name=name: f"{name} is back after" in stack.output)  # type: ignore[misc]
            assert f"{name} was killed by SIGKILL" in stack.output
        eventually(lambda: is_ready(stack))
        assert read(endpoints(stack)) == (("row",), b"value", b"object")
        assert stack.settings == settings
        assert service.is_running()


def test_a_server_that_falls_silent_is_killed_and_started_again(tmp_path: Path) -> None:
    with started(tmp_path / "data", hung_after_s=6) as stack:
        frozen = [stack.await_ready().named(*words) for words in (POSTGRES, VALKEY)]
        children = [child for process in frozen for child in process.children()]
        write(endpoints(stack))
        for process in (*frozen, *children):
            process.suspend()
        for name in ("postgres", "valkey"):
            eventually(lambda name=name: f"{name} runs and has not answered for" in stack.output)  # type: ignore[misc]
            eventually(lambda name=name: f"{name} is back after" in stack.output)  # type: ignore[misc]
        assert all_gone([*frozen, *children])
        assert read(endpoints(stack)) == (("row",), b"value", b"object")


def test_a_service_that_falls_silent_is_killed_and_started_again(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with started(tmp_path / "data", port, hung_after_s=6) as stack:
        hung = stack.await_ready().named("do_GET")
        with socket.create_connection((HOST, port)) as caller:
            caller.sendall(b"GET /hang HTTP/1.1\r\n\r\n")
            eventually(lambda: not is_ready(stack))
            eventually(lambda: "web runs and has not answered for" in stack.output)
        eventually(lambda: "web is back after" in stack.output)
        assert all_gone([hung])


def test_a_service_without_a_port_that_is_stopped_is_killed_and_started_again(tmp_path: Path) -> None:
    with started(tmp_path / "data", service="quiet_service", hung_after_s=6) as stack:
        stopped = stack.await_ready().named("sleep(3600)")
        stopped.suspend()
        eventually(lambda: "quiet is back after" in stack.output)
        assert all_gone([stopped])


def test_restarts_of_a_server_that_cannot_start_slow_down_and_ctrl_c_still_stops(
    tmp_path: Path,
) -> None:
    with started(tmp_path / "data") as stack:
        everything = stack.await_ready().everything()
        valkey = stack.named(*VALKEY)
        port = _port(valkey)
        stack.process.send_signal(signal.SIGSTOP)  # the stranger is to be quicker
        valkey.kill()
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            eventually(lambda: _listens(stranger, port))
            stack.process.send_signal(signal.SIGCONT)
            for pause in ("0.5 s", "1 s", "2 s"):
                eventually(lambda pause=pause: f"Starting valkey again in {pause}." in stack.output)  # type: ignore[misc]
        assert "Address already in use" in stack.output
        assert "logs/valkey.log" in stack.output
        assert stack.named(*POSTGRES).is_running()
        assert not is_ready(stack)
        everything += stack.everything()
        assert stack.end(signal.SIGINT) == 0, stack.output
        assert all_gone(everything)


def _listens(stranger: socket.socket, port: int) -> bool:
    try:
        stranger.bind((HOST, port))
    except OSError:  # a thread of the killed server still holds it
        return False
    stranger.listen()
    return True


def _port(process: psutil.Process) -> int:
    [port] = {each.laddr.port for each in process.net_connections() if each.status == psutil.CONN_LISTEN}
    return int(port)

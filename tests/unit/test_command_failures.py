"""What `run_command` makes of each failure, and that a proxy never stands before this machine."""

import errno
import http.server
import threading
from collections.abc import Callable, Iterator

import pytest

from services.local.ports import HOST
from shared.command import run_command
from shared.errors import ConfigurationError, DatabaseUnavailable
from tests.unit.test_command_line import uptill


def _raise(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def _unavailable() -> DatabaseUnavailable:
    error = DatabaseUnavailable("the database did not answer")
    error.__cause__ = OSError("connection failed: postgresql://u:canary@h/d: refused")
    return error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigurationError("UPTILL_X must be a number"), 2, "error: UPTILL_X must be a number\n"),
        (
            _unavailable(),
            3,
            "error: the database did not answer (UPTILL_DATABASE_URL): postgresql://u:***@h/d: refused\n",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "error: /x/y: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "error: /x: Permission denied\n"),
        (ZeroDivisionError("division by zero"), 1, "unexpected error (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_failure_is_one_message_and_a_code(
    error: Exception, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(_raise(error))
    printed = capsys.readouterr().err
    assert (ended.value.code, printed.count("\n")) == (code, 1)
    assert says in printed


def test_a_verbose_command_shows_where_a_bug_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPTILL_LOG_LEVEL", "DEBUG")
    with pytest.raises(ZeroDivisionError):
        run_command(_raise(ZeroDivisionError()))


@pytest.fixture
def server() -> Iterator[str]:
    """Answers every call with 404 and an empty body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_reached_without_the_proxy(name: str, server: str) -> None:
    settings = {"UPTILL_API_URL": server, "UPTILL_API_KEY": "upt_x", name: "http://127.0.0.1:1"}
    refused = uptill("reports", "list", **settings)
    assert f"{server} answered 404" in refused.stderr

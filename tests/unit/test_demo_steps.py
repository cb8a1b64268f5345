"""A step of the demo whose server does not answer in time is run again."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import typer

from services.cli import demo
from services.local.ports import HOST


class _AwayAtFirst(BaseHTTPRequestHandler):
    """Answers 503 to the first calls, as the API does while the database's disk is busy."""

    refusals = 0

    def do_GET(self) -> None:
        type(self).refusals -= 1
        is_away = type(self).refusals >= 0
        body = (
            b'{"detail": "the database did not answer within 16 s"}'
            if is_away
            else b'{"reports": [], "next": null}'
        )
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if is_away else HTTPStatus.OK)
        # Longer than the command waits.
        self.send_header("Retry-After", "60")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    server = HTTPServer((HOST, 0), _AwayAtFirst)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield {**os.environ, "UPTILL_API_URL": f"http://{HOST}:{server.server_port}", "UPTILL_API_KEY": "upt_x"}
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_run_again_until_the_server_answers(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_RETRY_S", 0.0)
    monkeypatch.setattr(_AwayAtFirst, "refusals", 2)
    demo._run_step(["reports", "list"], environment)
    said = capfd.readouterr().err
    assert said.count("the database did not answer within 16 s") == 2
    assert said.count("tries this step again") == 2


def test_the_demo_gives_up_in_the_end(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(_AwayAtFirst, "refusals", 100)
    with pytest.raises(typer.Exit):
        demo._run_step(["reports", "list"], environment)
    assert "failed with exit code 3" in capfd.readouterr().err

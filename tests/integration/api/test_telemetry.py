"""FastAPI exports no telemetry, even if the environment asks for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

_SERVE = """
from fastapi.testclient import TestClient
with TestClient(app) as client:
    client.get("/version")
"""
_OURS = """
from contextlib import asynccontextmanager
from shared.http.service import ServiceIdentity, make_service
from shared.settings import Settings

@asynccontextmanager
async def lifespan(app):
    yield

identity = ServiceIdentity("api", title="T", summary="S")
app = make_service(identity, Settings(), lifespan=lifespan, routers=[], bodies=None)
"""
_PLAIN = """
from fastapi import FastAPI
app = FastAPI()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """An OTLP receiver: its address and the paths that were called."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            called.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", called
        server.shutdown()


@pytest.mark.parametrize(("source", "sends"), [(_OURS, False), (_PLAIN, True)], ids=["ours", "plain"])
def test_fastapi_exports_nothing(collector: tuple[str, list[str]], source: str, *, sends: bool) -> None:
    """A plain application does export, which proves that the test would notice."""
    address, called = collector
    asked = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    subprocess.run([sys.executable, "-c", source + _SERVE], env={**os.environ, **asked}, check=True)
    assert bool(called) is sends

"""The line of a request is written by hand. It is the one that structlog would write."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
import structlog

from shared.telemetry import configure_logging, log_request

VALUES: Final[dict[str, Any]] = {
    "method": "POST", "route": "/v1/hooks/{hook}", "path": "/v1/caf\u00e9 upt_abcdefgh_ABCDEFGHIJ", "status": 200, "duration_ms": 1.5,
}  # fmt: skip


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def test_it_equals_the_line_of_the_library(lines: io.StringIO) -> None:
    configure_logging("ingest", "INFO")
    with structlog.contextvars.bound_contextvars(request_id="r1", report_id="7"):
        log_request(**VALUES)
        structlog.get_logger("request").info("request", **VALUES)
    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    for line in (ours, theirs):
        assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert list(ours.items()) == list(theirs.items())
    assert "ABCDEFGHIJ" not in lines.getvalue()


def test_a_higher_level_leaves_it_out(lines: io.StringIO) -> None:
    configure_logging("ingest", "WARNING")
    log_request(**VALUES)
    assert lines.getvalue() == ""

"""The line of a request is written by hand. It is the one that structlog would write."""

import json
import logging
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
def _restored() -> Iterator[None]:
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.mark.usefixtures("_restored")
def test_it_equals_the_line_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("ingest", "INFO")
    with structlog.contextvars.bound_contextvars(request_id="r1", report_id="7"):
        log_request(**VALUES)
        structlog.get_logger("request").info("request", **VALUES)
    written = capsys.readouterr().err
    ours, theirs = (json.loads(line) for line in written.splitlines())
    for line in (ours, theirs):
        assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert list(ours.items()) == list(theirs.items())
    assert "ABCDEFGHIJ" not in written


@pytest.mark.usefixtures("_restored")
def test_a_higher_level_leaves_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("ingest", "WARNING")
    log_request(**VALUES)
    assert capsys.readouterr().err == ""

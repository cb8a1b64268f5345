"""Logs: every line of a service is one JSON object, and one report's lines carry its id and its request's on every hop."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.ingest.run import ingest_paths
from tests.fixtures.services import Services, wait_until

REQUEST_ID = "ticket-4711.a_b"


def lines(folder: Path, service: str) -> list[dict[str, Any]]:
    """Every line of a service's log must be an object."""
    text = "".join(path.read_text() for path in folder.glob(f"*-{service}*.log"))
    return [json.loads(line) for line in text.split("\n") if line]


def count(folder: Path, text: str) -> int:
    return sum(path.read_text().count(text) for path in folder.glob("*.log"))


def test_one_report_s_lines_carry_its_ids_on_every_hop(env: dict[str, str], tmp_path: Path) -> None:
    polls = tmp_path / "polls.csv"
    polls.write_text(
        "store_id,status,timestamp_utc\na,active,2024-10-14 12:00:00 UTC\nb,active,2024-10-14 12:00:00 UTC\n"
    )
    ingest_paths(env["UPTILL_DATABASE_URL"], [str(polls)])
    key = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
    url = env["UPTILL_API_URL"]
    with Services({**env, "UPTILL_BATCH_STORES": "1"}, tmp_path) as services:
        services.api()
        services.worker()
        made = httpx2.post(f"{url}/v1/reports", headers=key | {"X-Request-Id": REQUEST_ID})
        assert made.headers["X-Request-Id"] == REQUEST_ID
        report_id = made.json()["id"]
        wait_until(lambda: services.logged("report_succeeded"), "the end of the report")
        httpx2.delete(f"{url}/v1/reports/{report_id}", headers=key | {"X-Request-Id": "cancel"})
        httpx2.post(f"{url}/v1/reports/{report_id}/retry", headers=key | {"X-Request-Id": "retry"})
        forged = httpx2.get(f"{url}/v1/reports/%0A%7B%22event%22", headers=key | {"X-Request-Id": "bad id"})
        assert forged.headers["X-Request-Id"] not in ("bad id", "")
        httpx2.get(f"{url}/nowhere", headers=key)
        # A line is written beside what it tells of.
        wait_until(lambda: services.logged('"route": "none"'), "the line of the last call")
        wait_until(lambda: count(tmp_path, '"batch_done"') == 2, "the worker's lines")

    (request,) = [
        line
        for line in lines(tmp_path, "services.api")
        if line.get("request_id") == REQUEST_ID and line["event"] == "request"
    ]
    assert (request["method"], request["route"], request["status"]) == ("POST", "/v1/reports", 202)
    assert request["duration_ms"] > 0
    assert request["service"] == "api"
    assert request["report_id"] == report_id
    worked = [line for line in lines(tmp_path, "services.worker") if line.get("report_id") == report_id]
    assert {line["event"] for line in worked} == {"batch_done", "report_succeeded"}
    assert {line["request_id"] for line in worked} == {REQUEST_ID}
    assert {line["batch_no"] for line in worked if line["event"] == "batch_done"} == {0, 1}
    requests = [line for line in lines(tmp_path, "services.api") if line["event"] == "request"]
    assert {line["request_id"]: line["report_id"] for line in requests if "report_id" in line} == {
        REQUEST_ID: report_id, "cancel": report_id, "retry": report_id
    }  # fmt: skip
    assert [line["route"] for line in requests][-2:] == ["/v1/reports/{report_id}", "none"]
    assert requests[-2]["path"] == '/v1/reports/\n{"event"'
    assert "/livez" not in {line["route"] for line in requests}  # below the default level
    for line in lines(tmp_path, "services.api"):
        assert {"event", "level", "timestamp", "service", "logger"} <= set(line), line


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_old_call_s_line_and_the_worker_s_name_one_report(
    env: dict[str, str], tmp_path: Path, method: str
) -> None:
    headers = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}", "X-Request-Id": REQUEST_ID}
    with Services(env, tmp_path) as services:
        services.api()
        services.worker()
        made = httpx2.request(method, f"{env['UPTILL_API_URL']}/trigger_report", headers=headers)
        report_id = made.json()["report_id"]
        wait_until(lambda: services.logged("report_succeeded"), "the end of the report")
        wait_until(lambda: services.logged('"batch_done"'), "the worker's other line")
        wait_until(lambda: services.logged('"route": "/trigger_report"'), "the line of the call")
    ids = {"report_id": report_id, "request_id": REQUEST_ID}.items()
    (request,) = [line for line in lines(tmp_path, "services.api") if ids <= line.items()]
    assert (request["event"], request["route"], request["method"]) == ("request", "/trigger_report", method)
    worked = [line["event"] for line in lines(tmp_path, "services.worker") if ids <= line.items()]
    assert sorted(worked) == ["batch_done", "report_succeeded"]

"""Reports are listed newest first, in pages, filtered by state, policy and time."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.worker.context import WorkerContext
from tests.fixtures.in_process import problem, work


def triggered(api: TestClient, **request: Any) -> str:
    return str(api.post("/v1/reports", json={"force": True, **request}).json()["id"])


def listed(api: TestClient, **query: Any) -> list[str]:
    """Return the ids of all pages."""
    ids: list[str] = []
    while True:
        answer = api.get("/v1/reports", params=query)
        page = answer.json()
        assert answer.status_code == 200, page
        assert len(page["reports"]) <= query.get("limit", 50)
        ids += [report["id"] for report in page["reports"]]
        if page["next"] is None:
            return ids
        query["cursor"] = page["next"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 200])
def test_pages_have_each_report_once_newest_first(api: TestClient, limit: int) -> None:
    made = [triggered(api) for _ in range(4)]
    assert listed(api, limit=limit) == sorted(made, reverse=True)


def test_newer_reports_do_not_shift_later_pages(api: TestClient) -> None:
    made = sorted((triggered(api) for _ in range(3)), reverse=True)
    first = api.get("/v1/reports", params={"limit": 2}).json()
    triggered(api)
    second = api.get("/v1/reports", params={"limit": 2, "cursor": first["next"]}).json()
    assert [report["id"] for report in (*first["reports"], *second["reports"])] == made


def test_filters_by_state_policy_and_time(
    api: TestClient, worker: WorkerContext, env: dict[str, str]
) -> None:
    done, strict = triggered(api), triggered(api, policy="strict")
    work(worker, done)
    old = triggered(api)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update report set created_at = '2024-10-14T18:00:00Z' where id = %s", [old])
    assert listed(api, state="succeeded") == [done]
    assert listed(api, policy="strict") == [strict]
    assert listed(api, state="queued", policy="classic") == [old]
    assert listed(api, created_before="2024-10-14T18:00:01Z") == [old]
    assert listed(api, created_before="2024-10-14T18:00:00Z") == []
    assert listed(api, created_after="2024-10-14T14:00:00-04:00") == sorted([done, strict, old], reverse=True)
    assert listed(api, created_after=datetime.now(UTC).replace(year=2090).isoformat()) == []


def test_a_listed_report_is_the_report_without_links(api: TestClient, worker: WorkerContext) -> None:
    report_id = triggered(api, formats=["json"], windows=["PT6H", "previous_day"])
    work(worker, report_id)
    (listed_report,) = api.get("/v1/reports").json()["reports"]
    report = api.get(f"/v1/reports/{report_id}").json()
    assert (len(report.pop("files")), report.pop("lost_files"), report.pop("failed_stores")) == (2, [], [])
    assert listed_report == report


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "done"}, "query.state"),
        ({"policy": "optimistic"}, "query.policy"),
        ({"created_after": "2024-10-14T18:00:00"}, "query.created_after"),
        ({"limit": 0}, "query.limit"),
        ({"limit": 201}, "query.limit"),
        ({"colour": "red"}, "query.colour"),
    ],
)
def test_invalid_queries_are_refused(api: TestClient, query: dict[str, Any], field: str) -> None:
    refused = problem(api.get("/v1/reports", params=query), 422, "invalid_request")
    assert refused["errors"][0]["field"] == field


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "A" * 23 + "=", "A" * 5000])
def test_invalid_cursors_are_refused(api: TestClient, cursor: str) -> None:
    refused = problem(api.get("/v1/reports", params={"cursor": cursor}), 422, "invalid_request")
    assert refused["field"] == "query.cursor"

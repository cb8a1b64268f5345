"""Reports without the time of some reasons: everywhere the parameter goes, and what is refused."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import ingest_paths
from services.worker.context import WorkerContext
from tests.fixtures.buckets import content_of
from tests.fixtures.in_process import problem, work

DAY = datetime(2024, 10, 14, tzinfo=UTC)
POLLS = (
    ("10:30", "active", "", ""),
    ("11:00", "inactive", "paused_by_store", "yes"),
    ("12:00", "inactive", "technical", "yes"),
    ("12:30", "active", "", "yes"),
    ("13:50", "inactive", "", ""),
)
ASKED: dict[str, Any] = {"windows": ["PT4H"], "as_of": "2024-10-14T14:00:00Z", "detail": True}


@pytest.fixture(autouse=True)
def conn(env: dict[str, str], tmp_path: Path) -> Iterator[psycopg.Connection]:
    lines = [f"a,{status},{DAY:%F} {at}:00 UTC,{reason},{event}" for at, status, reason, event in POLLS]
    (tmp_path / "polls.csv").write_text(
        "\n".join(["store_id,status,timestamp_utc,reason,event", *lines]) + "\n"
    )
    (tmp_path / "zones.csv").write_text("store_id,timezone_str\na,UTC\n")
    (tmp_path / "hours.csv").write_text(
        "store_id,dayOfWeek,start_time_local,end_time_local\na,0,10:00,14:00\n"
    )
    for done in ingest_paths(env["UPTILL_DATABASE_URL"], [str(tmp_path)]):
        assert (done.state, done.rejected) == ("succeeded", 0)
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        yield conn


def make(api: TestClient, worker: WorkerContext, **more: Any) -> tuple[str, dict[str, list[dict[str, str]]]]:
    """Make a report, and return its id and the rows of its files."""
    answer = api.post("/v1/reports", json={**ASKED, **more})
    assert answer.status_code == 202, answer.text
    report_id = str(answer.json()["id"])
    return report_id, files_of(worker, report_id)


def files_of(worker: WorkerContext, report_id: str) -> dict[str, list[dict[str, str]]]:
    work(worker, report_id)
    with worker.pool.connection() as conn:
        files = conn.execute(
            "select kind, object from report_file where format = 'csv' and report_id = %s", [report_id]
        ).fetchall()
    return {
        kind: list(csv.DictReader(io.StringIO(content_of(worker.storage, key).decode())))
        for kind, key in files
    }


def times(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[f"{name}_last_4h"] for name in ("uptime", "downtime", "excluded", "polls", "outages"))


def test_time_of_excluded_reasons_leaves_the_open_time(api: TestClient, worker: WorkerContext) -> None:
    _, plain = make(api, worker, files=["outages", "reasons"])
    assert times(plain["report"][0]) == ("1.6667", "2.3333", "0.0000", "5", "2")
    report_id, files = make(
        api, worker, files=["outages", "reasons"], exclude_reasons=["Technical", "paused_by_store"]
    )
    assert times(files["report"][0]) == ("1.6667", "0.8333", "1.5000", "3", "1")
    assert [row["reasons"] for row in plain["outages"]] == ["paused_by_store technical", ""]
    assert [row["reasons"] for row in files["outages"]] == [""]
    assert [tuple(row.values()) for row in plain["reasons"]] == [
        ("a", "last_4h", "", "3000.000000", "1"),
        ("a", "last_4h", "paused_by_store", "3600.000000", "1"),
        ("a", "last_4h", "technical", "1800.000000", "1"),
    ]
    assert [tuple(row.values()) for row in files["reasons"]] == [("a", "last_4h", "", "3000.000000", "1")]
    shown = api.get(f"/v1/reports/{report_id}").json()
    assert shown["exclude_reasons"] == ["paused_by_store", "technical"]
    assert [file["name"] for file in shown["files"]] == ["report.csv", "outages.csv", "reasons.csv"]


def test_reports_are_shared_only_with_the_same_reasons(api: TestClient, worker: WorkerContext) -> None:
    first, _ = make(api, worker)
    excluded, _ = make(api, worker, exclude_reasons=["technical", "busy"])
    assert api.post("/v1/reports", json=ASKED).json()["id"] == first
    same = {**ASKED, "exclude_reasons": ["busy", " technical", "BUSY"]}
    assert api.post("/v1/reports", json=same).json()["id"] == excluded != first
    others = {**ASKED, "exclude_reasons": ["technical"]}
    assert api.post("/v1/reports", json=others).json()["id"] not in (first, excluded)


def test_an_idempotency_key_is_for_the_same_reasons(api: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    plain = api.post("/v1/reports", json=ASKED, headers=headers).json()["id"]
    assert (
        api.post("/v1/reports", json={**ASKED, "exclude_reasons": []}, headers=headers).json()["id"] == plain
    )
    other = api.post("/v1/reports", json={**ASKED, "exclude_reasons": ["busy"]}, headers=headers)
    problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["oven"], "unknown reason 'oven': `uptill reasons list`"),
        (["no word"], "'no word' cannot be a reason"),
        ([f"w{n}" for n in range(51)], "50"),
        ("busy", "list"),
    ],
)
def test_words_that_cannot_be_excluded_are_refused(api: TestClient, words: Any, said: str) -> None:
    refused = problem(
        api.post("/v1/reports", json={**ASKED, "exclude_reasons": words}), 422, "invalid_request"
    )
    assert said in refused["detail"]
    terms = {"name": "n", "cron": "0 6 * * *", "timezone": "UTC", "report": {"exclude_reasons": words}}
    refused = problem(api.post("/v1/report-schedules", json=terms), 422, "invalid_request")
    assert said in refused["detail"]
    if words == ["oven"]:
        assert refused["field"] == "body.report.exclude_reasons"


def test_a_removed_word_can_still_be_excluded(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    conn.execute("update reason set removed_at = now() where word = 'technical'")
    _, files = make(api, worker, exclude_reasons=["technical"])
    assert times(files["report"][0])[1:3] == ("1.8333", "0.5000")


def test_a_revision_leaves_out_the_same(api: TestClient, worker: WorkerContext) -> None:
    report_id, files = make(api, worker, exclude_reasons=["technical"])
    for cut in ("latest", "original"):
        made = api.post(f"/v1/reports/{report_id}/revisions", json={"cut": cut, "force": True}).json()
        assert made["exclude_reasons"] == ["technical"]
        assert files_of(worker, made["id"])["report"] == files["report"]
    other, _ = make(api, worker)
    diff = api.get(f"/v1/reports/{other}/diff", params={"against": report_id})
    refused = problem(diff, 409, "reports_not_comparable")
    assert "differ in exclude_reasons (technical and none)" in refused["detail"]


def test_a_batch_of_the_release_before_is_computed_again(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    """A worker that knows no excluded reasons leaves the number of another attempt behind."""
    answer = api.post("/v1/reports", json={**ASKED, "exclude_reasons": ["technical"]})
    report_id = answer.json()["id"]
    conn.execute(
        "create function forget_attempt() returns trigger language plpgsql as"
        " $$ begin new.reasons_attempt = null; return new; end $$"
    )
    conn.execute(
        "create trigger forget before update on report_batch for each row"
        " when (old.state = 'leased' and new.state = 'done') execute function forget_attempt()"
    )
    files = files_of(worker, report_id)
    assert times(files["report"][0])[2] == "0.5000"
    ((attempt, key),) = conn.execute(
        "select reasons_attempt, part from report_batch where report_id = %s", [report_id]
    )
    assert attempt == 1
    assert "final-" in key


def test_windows_whose_polls_are_gone_are_refused(api: TestClient, conn: psycopg.Connection) -> None:
    monday = DAY - timedelta(weeks=1)
    conn.execute("insert into dropped_week (starts_at, seq) values (%s, 1)", [monday])
    asked = {**ASKED, "windows": ["P7D"], "exclude_reasons": ["busy"]}
    refused = problem(api.post("/v1/reports", json=asked), 422, "invalid_request")
    assert (
        "retention has dropped polls of the windows, the last ones of the week of 2024-10-07"
        in refused["detail"]
    )
    assert api.post("/v1/reports", json={**asked, "exclude_reasons": []}).status_code == 202


def test_the_explanation_names_the_reason(api: TestClient, worker: WorkerContext) -> None:
    report_id, files = make(api, worker, exclude_reasons=["paused_by_store"])
    body = api.get(f"/v1/reports/{report_id}/stores/a").json()
    (window,) = body["windows"]
    found = [(one["state"], one["rule"], one["reason"]) for one in window["segments"]]
    assert found == [
        ("up", "poll", None),
        ("excluded", "reason", "paused_by_store"),
        ("down", "poll", "technical"),
        ("up", "poll", None),
        ("down", "poll", None),
    ]
    assert window["totals"]["excluded_us"] == 3_600_000_000
    assert window["row"]["downtime_last_4h"] == float(files["report"][0]["downtime_last_4h"])


def test_timelines_and_outages_leave_it_out_too(api: TestClient) -> None:
    query: dict[str, Any] = {"window": "PT4H", "as_of": ASKED["as_of"]}
    shown = api.get("/v1/stores/a/timeline", params={**query, "exclude_reason": "paused_by_store"}).json()
    assert [(one["state"], one["reason"]) for one in shown["segments"]][:4] == [
        ("up", None),
        ("excluded", "paused_by_store"),
        ("down", "technical"),
        ("up", None),
    ]
    assert (shown["totals"]["excluded_us"], shown["totals"]["polls"]) == (3_600_000_000, 4)
    assert [poll["counts"] for poll in shown["polls"]][1] is False

    def outages(**more: Any) -> list[list[str]]:
        found = api.get("/v1/outages", params={**query, **more})
        assert found.status_code == 200, found.text
        return [one["reasons"] for one in found.json()["outages"]]

    assert outages() == [[], ["paused_by_store", "technical"]]
    assert outages(exclude_reason="paused_by_store") == [[], ["technical"]]
    assert outages(exclude_reason=["paused_by_store", "technical"]) == [[]]
    assert outages(reason="Technical") == [["paused_by_store", "technical"]]
    assert outages(reason="busy") == []
    assert outages(reason="late_opening", exclude_reason="paused_by_store") == [["technical"]]
    for name in ("reason", "exclude_reason"):
        for path in ("/v1/outages", "/v1/stores/a/outages"):
            refused = problem(api.get(path, params={**query, name: "oven"}), 422, "invalid_request")
            assert refused["field"] == f"query.{name}"
    problem(api.get("/v1/stores/a/timeline", params={"exclude_reason": "oven"}), 422, "invalid_request")
    problem(api.get("/v1/outages", params={"reason": "not a word"}), 422, "invalid_request")


def test_other_formats_have_the_reasons(api: TestClient, worker: WorkerContext) -> None:
    report_id, _ = make(
        api, worker, formats=["json", "xlsx", "parquet", "pdf"], files=["reasons"], exclude_reasons=["busy"]
    )
    with worker.pool.connection() as conn:
        files: dict[str, str] = dict(
            conn.execute(
                "select kind || '.' || format, object from report_file where report_id = %s", [report_id]
            ).fetchall()
        )
    assert {"reasons.json", "reasons.xlsx", "reasons.parquet", "report.pdf"} <= set(files)
    text = content_of(worker.storage, files["reasons.json"]).decode()
    assert '"exclude_reasons":"busy"' in text
    assert '{"store_id":"a","window":"last_4h","reason":"technical","down_s":1800.0,"outages":1}' in text

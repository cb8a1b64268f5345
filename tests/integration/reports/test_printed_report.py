"""The printed report of a real database: its numbers are those of the CSV at the same cut, and its limits hold."""

import csv
import hashlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import ingest_paths
from services.worker.context import WorkerContext
from services.worker.load import one_snapshot
from services.worker.printed import fleet_page, typeset_apart
from services.worker.printed.read import read_stores_at
from services.worker.printed.store_sheet import SheetTerms, compute_sheet
from shared.clock import to_us
from shared.sealed.reader import NONE_SEALED
from shared.uptime.policy import POLICIES
from shared.uptime.window import parse_windows
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.printed import page_texts
from tests.integration.reports.test_adjusted_report import FILES, Fleet, stamp
from tests.oracle.report import printed_times

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
WINDOWS = ("last_hour", "last_week", "previous_day", "before:last_day")
HOSTILE = '#panic("x") $x$ \u05e9\u05dc\u05d5\u05dd =1+1'
SMALL = {
    name: Store([(NOW - timedelta(minutes=61 * n), n % every != 0) for n in range(400)])
    for every, name in ((5, "0042"), (9, HOSTILE), (12, "=cmd"))
}


def make_report(api: TestClient, worker: WorkerContext, **request: Any) -> dict[str, Any]:
    created = api.post("/v1/reports", json={"formats": ["pdf"], "force": True, **request})
    assert created.status_code == 202, created.text
    work(worker, created.json()["id"])
    report: dict[str, Any] = api.get(created.headers["location"]).json()
    assert report["state"] == "succeeded", report
    return report


def content(report: dict[str, Any], name: str) -> bytes:
    (file,) = [file for file in report["files"] if file["name"] == name]
    answer = httpx2.get(file["url"])
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    if name.endswith("pdf"):
        assert answer.headers["content-type"] == "application/pdf"
    return answer.content


@pytest.fixture
def adjusted(database_url: str, tmp_path: Path) -> Path:
    """Stores with dated and special hours, lifetimes and closures."""
    Fleet(11, 8).write(tmp_path)
    ingest_paths(database_url, [str(tmp_path)])
    return tmp_path


@pytest.mark.parametrize("policy", POLICIES)
def test_figures_are_those_of_the_report_whatever_has_changed_since(
    api: TestClient, worker: WorkerContext, adjusted: Path, policy: str, database_url: str
) -> None:
    report = make_report(api, worker, policy=policy, windows=list(WINDOWS), detail=True, formats=["csv"])
    rows = {
        row["store_id"]: row for row in csv.DictReader(io.StringIO(content(report, "report.csv").decode()))
    }
    changed = [
        f"{store},{status},{stamp(0.3)}"
        for store, status in zip(rows, ["inactive", "active"] * 9, strict=False)
    ]
    (adjusted / "polls.csv").write_text("\n".join([FILES["polls"], *changed]) + "\n")
    (adjusted / "zones.csv").write_text(
        "\n".join([FILES["zones"], *(f"{store},Asia/Tokyo" for store in rows)]) + "\n"
    )
    ingest_paths(database_url, [str(adjusted)])
    terms = SheetTerms.of(
        parse_windows(WINDOWS), to_us(datetime.fromisoformat(report["as_of"])), POLICIES[policy]
    )
    with worker.pool.connection() as conn:
        ((seq,),) = conn.execute(
            "select max(data_cut) from report_batch where report_id = %s", [report["id"]]
        ).fetchall()
    with worker.pool.connection() as conn:
        conn.commit()
        with one_snapshot(conn):
            for given in read_stores_at(conn, list(rows), seq, terms.range_us(), NONE_SEALED):
                sheet = compute_sheet(given, terms)
                row = rows[given.store.store_id]
                assert sheet.zone.key == row["timezone"]
                for window, figures in zip(terms.windows, sheet.figures, strict=True):
                    times = {**vars(figures), "up_min_us": 0, "up_max_us": 0}
                    printed = printed_times(times, 60_000_000 if window.in_minutes else 3_600_000_000)
                    for column, field in (
                        ("uptime", "up_us"), ("downtime", "down_us"), ("unknown", "unknown_us"), ("excluded", "excluded_us"),
                    ):  # fmt: skip
                        assert row[f"{column}_{window.name}"] == printed[field], (window.name, column)
                down_us = sum(outage.down_us for outage in sheet.outages)
                assert policy == "hold-scaled" or down_us == sheet.figures[terms.main].down_us


class TestSmall:
    @pytest.fixture(autouse=True)
    def _fleet(self, env: dict[str, str]) -> None:
        load_fleet(env["UPTILL_DATABASE_URL"], SMALL)

    def test_pages_of_the_fleet_and_of_each_store(self, api: TestClient, worker: WorkerContext) -> None:
        report = make_report(
            api, worker, windows=["last_day", "before:last_day"], files=["report", "outages"]
        )
        assert [file["name"] for file in report["files"]] == ["report.csv", "report.pdf", "outages.csv"]
        fleet, *stores = page_texts(content(report, "report.pdf"))
        assert "3 stores" in fleet
        assert [next(name for name in SMALL if name[:10] in text) for text in stores] == sorted(
            SMALL, key=str.encode
        )
        for text in (fleet, *stores):
            assert report["id"] in text
            assert "Policy classic, version 2" in text
            assert hashlib.sha256(content(report, "report.csv")).hexdigest() in text

    def test_stores_are_printed_by_name(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            conn.execute("update store set display_name = 'Main Street #1' where store_id = '0042'")
        report = make_report(api, worker, windows=["last_week"])
        fleet, *stores = page_texts(content(report, "report.pdf"))
        assert "Main Street #1" in fleet
        (named,) = [text for text in stores if "0042" in text]
        assert "Main Street #1" in named
        assert sum("Main Street" in text for text in stores) == 1

    def test_a_report_of_many_stores_has_the_page_of_the_fleet_only(
        self, api: TestClient, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fleet_page, "MOST_STORES", 2)
        (fleet,) = page_texts(content(make_report(api, worker), "report.pdf"))
        assert "more than 2 stores, so only this page is printed" in " ".join(fleet.split())
        chosen = make_report(api, worker, stores={"ids": ["0042", "=cmd"]})
        assert len(page_texts(content(chosen, "report.pdf"))) == 3

    def test_without_old_polls_the_figures_are_those_of_the_file(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        created = api.post("/v1/reports", json={"formats": ["pdf"], "windows": ["last_day"]})
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            conn.execute("insert into dropped_week (starts_at, seq) values ('2024-10-28T00:00Z', 1000)")
        work(worker, created.json()["id"])
        report = api.get(created.headers["location"]).json()
        _, *stores = page_texts(content(report, "report.pdf"))
        assert len(stores) == 3
        for text in stores:
            assert "cannot be drawn" in text
            assert "18 h" in text or "21 h" in text or "22 h" in text or "19 h" in text

    def test_a_report_that_cannot_be_typeset_fails_with_the_reason(
        self, api: TestClient, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(typeset_apart, "_MODULE", "services.worker.printed.figures")
        created = api.post("/v1/reports", json={"formats": ["pdf"]})
        work(worker, created.json()["id"])
        with worker.pool.connection() as conn:
            ((error,),) = conn.execute(
                "select error->>'detail' from report where id = %s", [created.json()["id"]]
            ).fetchall()
        assert "choose fewer stores" in error

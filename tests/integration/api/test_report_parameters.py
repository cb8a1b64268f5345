"""Windows, stores and formats of a report, from the request to the bytes of every file."""

import hashlib
import io
import json
import re
import resource
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from services.cli.reconcile_files import reconcile
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from services.worker.formats import xlsx_file
from shared.clock import to_us
from shared.reports import insert_report
from shared.reports.retention import BucketSweep, sweep_bucket
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.oracle.accounting import HOUR_US, MINUTE_US, HoursRow, Poll, account
from tests.oracle.report import printed_times

AS_OF = datetime(2024, 11, 4, 18, tzinfo=UTC)  # the Monday after the clocks went back in America
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
FLEET = {
    "=north": Store(
        [(AS_OF - timedelta(minutes=61 * n), n % 5 != 0) for n in range(1500)], "America/New_York", DAYTIME
    ),
    "south": Store([(AS_OF - timedelta(minutes=47 * n), n % 7 != 0) for n in range(900)], "Asia/Kathmandu"),
    "'=quoted": Store([(AS_OF - timedelta(hours=3), True)], None, DAYTIME),
    "silent": Store(timezone="Europe/Berlin"),
    "west": Store([(AS_OF - timedelta(days=40, minutes=n), n % 2 == 0) for n in range(5)]),
}
WINDOWS: Mapping[str, tuple[str, int | str]] = {
    "PT45M": ("last_45m", 45 * MINUTE_US),
    "previous_day": ("previous_day", "previous_day"),
    "P30D": ("last_30d", 30 * 24 * HOUR_US),
    "previous_week": ("previous_week", "previous_week"),
    "month_to_date": ("month_to_date", "month_to_date"),
    "previous_month": ("previous_month", "previous_month"),
    "previous_quarter": ("previous_quarter", "previous_quarter"),
    "year_to_date": ("year_to_date", "year_to_date"),
    "previous_year": ("previous_year", "previous_year"),
    "day_of:2024-11-03": ("day_of_2024_11_03", "day_of:2024-11-03"),
    "week_of:2024-W44": ("week_of_2024_w44", "week_of:2024-W44"),
    "month_of:2024-10": ("month_of_2024_10", "month_of:2024-10"),
    "before:P30D": ("before_last_30d", "before:P30D"),
    "before:previous_month": ("before_previous_month", "before:previous_month"),
    "before:month_to_date": ("before_month_to_date", "before:month_to_date"),
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)


def label(env: dict[str, str], store_id: str, **labels: str) -> None:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set labels = %s where store_id = %s", [json.dumps(labels), store_id])


def made(api: TestClient, worker: WorkerContext, **request: Any) -> dict[str, Any]:
    """The finished report."""
    created = api.post("/v1/reports", json={"as_of": AS_OF.isoformat(), **request})
    assert created.status_code == 202, created.json()
    work(worker, created.json()["id"])
    report: dict[str, Any] = api.get(created.headers["location"]).json()
    assert report["state"] == "succeeded"
    return report


def content(report: dict[str, Any], file_format: str = "csv", kind: str = "report") -> bytes:
    (file,) = [file for file in report["files"] if file["name"] == f"{kind}.{file_format}"]
    answer = httpx2.get(file["url"])
    assert answer.headers["content-disposition"] == f'attachment; filename="{kind}.{file_format}"'
    assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (
        file["size_bytes"],
        file["sha256"],
    )
    return answer.content


def ids(report: dict[str, Any]) -> list[str]:
    return [line.split(",")[0] for line in content(report).decode().splitlines()[1:]]


def expected_lines(policy: str, as_of: datetime, windows: Mapping[str, int | str]) -> list[str]:
    """The report's CSV as the oracle gives it. The windows are by the end of their columns."""
    expected = [
        "store_id," + ",".join(f"{kind}_{name}" for kind in ("uptime", "downtime") for name in windows)
    ]
    for store_id, store in sorted(FLEET.items(), key=lambda item: item[0].encode()):
        if not store.polls:
            continue
        measured = account(
            store.timezone,
            [HoursRow(*row) for row in store.hours],
            [Poll(to_us(at), active) for at, active in store.polls],
            to_us(as_of),
            policy,
            windows,
        )
        numbers = [
            printed_times(measured[name], MINUTE_US if name == "last_45m" else HOUR_US)[kind]
            for kind in ("up_us", "down_us")
            for name in windows
        ]
        escaped = f"'{store_id}" if store_id.startswith(("=", "'=")) else store_id
        expected.append(",".join([escaped, *numbers]))
    return expected


@pytest.mark.parametrize("policy", ["classic", "strict", "carry", "backfill-1m", "hold-scaled"])
def test_any_windows_match_the_oracle_byte_for_byte(
    api: TestClient, worker: WorkerContext, policy: str
) -> None:
    report = made(api, worker, windows=list(WINDOWS), policy=policy)
    names = [name for name, _ in WINDOWS.values()]
    # One name for a window: in answers and columns, and a caller may use it too.
    assert report["windows"] == names
    again = api.post("/v1/reports", json={"windows": names, "policy": policy}).json()
    assert (again["id"], again["windows"]) == (report["id"], names)
    assert content(report).decode().splitlines() == expected_lines(policy, AS_OF, dict(WINDOWS.values()))


@pytest.mark.parametrize("policy", ["classic", "carry"])
def test_windows_of_the_past_are_as_exact_and_need_only_the_polls_around_them(
    api: TestClient, worker: WorkerContext, policy: str
) -> None:
    windows = {"week_of_2024_w43": "week_of:2024-W43", "day_of_2024_10_29": "day_of:2024-10-29"}
    later = AS_OF + timedelta(days=5_000)
    report = made(api, worker, windows=list(windows.values()), policy=policy, as_of=later.isoformat())
    assert content(report).decode().splitlines() == expected_lines(policy, later, windows)


def test_windows_without_data_and_too_far_apart_are_refused(api: TestClient) -> None:
    def refused(**request: Any) -> str:
        answer = api.post("/v1/reports", json={"as_of": AS_OF.isoformat(), **request})
        body = problem(answer, 422, "invalid_request")
        assert body["errors"][0]["field"] == "body.windows", body
        return str(body["detail"])

    assert "begins after as_of (2024-11-04)" in refused(windows=["month_of:2024-12"])
    assert "at most 1,100" in refused(windows=["last_day", "month_of:2020-01"])
    assert "at most 1,100" in refused(windows=["month_of:2020-01"], detail=True)


def test_longer_windows_make_smaller_batches(
    api: TestClient, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def batches(**request: Any) -> int:
        report_id = api.post("/v1/reports", json={"force": True, **request}).json()["id"]
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            row = conn.execute(
                "select count(*) from report_batch where report_id = %s", [report_id]
            ).fetchone()
        assert row is not None
        return int(row[0])

    assert batches() == batches(policy="carry") == 2
    assert batches(windows=["P30D"]) == 4
    monkeypatch.setattr(insert_report, "_FULL_BATCH_US", insert_report._FULL_BATCH_US * 3)
    assert batches(windows=["P30D"]) == 2


def test_all_formats_have_the_same_content(api: TestClient, worker: WorkerContext) -> None:
    report = made(
        api, worker, formats=["xlsx", "parquet", "json"], detail=True, windows=["last_hour", "previous_day"]
    )
    assert [file["name"] for file in report["files"]] == [
        "report.csv", "report.json", "report.parquet", "report.xlsx"
    ]  # fmt: skip
    assert {file["rows"] for file in report["files"]} == {4}
    header, *lines = content(report).decode().splitlines()
    names = header.split(",")
    in_json = json.loads(content(report, "json"))
    assert list(in_json["columns"]) == names
    assert in_json["columns"]["uptime_last_hour"] == "minutes"
    assert in_json["columns"]["uptime_previous_day"] == "hours"
    assert in_json["provenance"]["csv_sha256"] == report["files"][0]["sha256"]
    assert in_json["provenance"]["data_cut"] == report["data_cut"]
    table = pq.read_table(io.BytesIO(content(report, "parquet")))
    assert table.to_pylist() == in_json["stores"]
    assert table.schema.metadata[b"uptill.report_id"].decode() == report["id"]
    assert [row["store_id"] for row in in_json["stores"]] == ["'=quoted", "=north", "south", "west"]
    for line, row in zip(lines, in_json["stores"], strict=True):
        assert [shown(value) for value in row.values()][1:] == line.split(",")[1:]
    with zipfile.ZipFile(io.BytesIO(content(report, "xlsx"))) as book:
        sheet, provenance = (book.read(f"xl/worksheets/sheet{n}.xml").decode() for n in (1, 2))
    assert 'state="frozen"' in sheet
    assert sheet.count("<row ") == 5
    assert "<t>'=north</t>" in sheet
    assert "<f>" not in sheet
    assert report["files"][0]["sha256"] in provenance


def shown(value: object, decimals: int = 4) -> str:
    """A value of JSON as the CSV has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{decimals}f}" if isinstance(value, float) else str(value)


def test_outages_have_the_same_content_in_all_formats(
    api: TestClient, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_file, "MAX_XLSX_ROWS", 100)
    report = made(
        api, worker, formats=["xlsx", "parquet", "json"], files=["outages"], windows=["P30D", "previous_day"]
    )
    names = ["outages.csv", "outages.json", "outages.parquet", "outages.xlsx"]
    files = {file["name"]: file for file in report["files"]}
    assert list(files)[4:] == names
    assert len({files[name]["rows"] for name in names}) == 1
    header, *lines = content(report, "csv", "outages").decode().splitlines()
    in_json = json.loads(content(report, "json", "outages"))
    assert list(in_json["columns"]) == header.split(",")
    assert (in_json["columns"]["started_at"], in_json["columns"]["down_s"]) == ("instant", "seconds")
    assert in_json["provenance"]["csv_sha256"] == files["outages.csv"]["sha256"]
    assert len(in_json["outages"]) == len(lines) == files["outages.csv"]["rows"] > 200
    for line, row in zip(lines, in_json["outages"], strict=True):
        assert [shown(value, 6) for value in row.values()][1:] == line.split(",")[1:]
    rows = pq.read_table(io.BytesIO(content(report, "parquet", "outages"))).to_pylist()
    for row, expected in zip(rows, in_json["outages"], strict=True):
        written = {
            name: f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        assert written == expected
    with zipfile.ZipFile(io.BytesIO(content(report, "xlsx", "outages"))) as book:
        sheets = [
            book.read(name).decode() for name in book.namelist() if "sheets/" in name and "rels" not in name
        ]
    filled = [sheet.count("<row ") - 1 for sheet in sheets if 'state="frozen"' in sheet]
    assert sum(filled) == len(lines), "a sheet that is full is followed by another"
    assert sorted(filled, reverse=True)[:2] == [100, 100]


def test_summaries_have_the_same_content_in_all_formats(
    api: TestClient, worker: WorkerContext, env: dict[str, str]
) -> None:
    label(env, "south", region="asia", **{"Region": "=1+1", "a/b": "x"})
    report = made(
        api, worker, formats=["xlsx", "parquet", "json"], files=["summary"], windows=["P30D", "previous_day"]
    )
    names = ["summary.csv", "summary.json", "summary.parquet", "summary.xlsx"]
    files = {file["name"]: file for file in report["files"]}
    assert list(files)[4:] == names
    header, *lines = content(report, "csv", "summary").decode().splitlines()
    assert {files[name]["rows"] for name in names} == {len(lines)}
    in_json = json.loads(content(report, "json", "summary"))
    assert list(in_json["columns"]) == header.split(",")
    assert (in_json["columns"]["availability"], in_json["columns"]["down_h"]) == ("share", "hours")
    for line, row in zip(lines, in_json["rows"], strict=True):
        shares = [shown(row[name], 6) for name in row if "availability" in name]
        others = [shown(row[name]) for name in row if "availability" not in name]
        plain = line.replace("'=", "=").split(",")
        assert [*others[:4], *shares, *others[4:]] == plain
    rows = pq.read_table(io.BytesIO(content(report, "parquet", "summary"))).to_pylist()
    assert rows == in_json["rows"]
    with zipfile.ZipFile(io.BytesIO(content(report, "xlsx", "summary"))) as book:
        workbook = book.read("xl/workbook.xml").decode()
        sheets = [book.read(name).decode() for name in sorted(book.namelist()) if "worksheets/sheet" in name]
        charts = [name for name in book.namelist() if "charts/chart" in name]
    titles = re.findall('<sheet name="([^"]*)"', workbook)
    assert titles == [
        *("all", "zone", "label Region", "label a b", "label region ~2", "weekday", "hour"),
        *("lowest", "highest", "provenance"),
    ]
    with_numbers = [sheet for sheet in sheets if "<conditionalFormatting" in sheet]
    assert len(with_numbers) == len(charts) == len(titles) - 1
    assert all("sparklineGroup" in sheet and "colorScale" in sheet for sheet in with_numbers)
    assert sum(sheet.count("<row ") - 1 for sheet in with_numbers) == len(lines)
    assert not any("<f>" in sheet for sheet in sheets)


def test_a_summary_has_fewer_windows(api: TestClient) -> None:
    asked = {"files": ["summary"], "windows": [f"P{n}D" for n in range(1, 12)]}
    refused = problem(api.post("/v1/reports", json=asked), 422, "invalid_request")
    assert "at most 10 windows" in refused["detail"]
    assert api.post("/v1/reports", json={**asked, "files": ["report"]}).status_code == 202


def test_too_many_stores_for_xlsx_are_refused_at_once(
    api: TestClient, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insert_report, "MAX_XLSX_ROWS", 3)
    refused = problem(api.post("/v1/reports", json={"formats": ["xlsx"]}), 422, "invalid_request")
    assert refused["field"] == "body.formats"
    assert "4 stores" in refused["detail"]
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        assert conn.execute("select count(*) from report").fetchone() == (0,)


class TestStores:
    def test_stores_by_id(self, api: TestClient, worker: WorkerContext) -> None:
        report = made(api, worker, stores={"ids": ["south", "=north", "silent", "south"]})
        assert report["stores"] == {"ids_given": 3, "labels": None}
        assert report["progress"] == {"stores_done": 2, "stores_total": 2}
        assert ids(report) == ["'=north", "south"]
        everything = content(made(api, worker)).decode().splitlines()
        assert set(content(report).decode().splitlines()) < set(everything)

    def test_stores_by_label(self, api: TestClient, worker: WorkerContext, env: dict[str, str]) -> None:
        label(env, "south", region="asia", brand="a")
        label(env, "west", region="asia", brand="b")
        label(env, "=north", region="america", brand="a")
        assert ids(made(api, worker, stores={"labels": {"region": "asia"}})) == ["south", "west"]
        assert ids(made(api, worker, stores={"labels": {"region": "asia", "brand": "b"}})) == ["west"]
        both = made(api, worker, stores={"labels": {"brand": "a"}, "ids": ["south", "west"]})
        assert (ids(both), both["stores"]) == (["south"], {"ids_given": 2, "labels": {"brand": "a"}})
        assert ids(made(api, worker, stores={"labels": {"region": "mars"}})) == []

    def test_the_stores_are_fixed_when_the_report_is_accepted(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        label(env, "south", region="asia")
        report = api.post("/v1/reports", json={"stores": {"labels": {"region": "asia"}}}).json()
        label(env, "south")
        label(env, "west", region="asia")
        work(worker, report["id"])
        assert ids(api.get(f"/v1/reports/{report['id']}").json()) == ["south"]

    def test_every_store_is_in_one_batch_and_a_batch_in_no_two_ranges(
        self, api: TestClient, env: dict[str, str]
    ) -> None:
        api.post("/v1/reports", json={"stores": {"ids": [*FLEET]}})
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            batches = conn.execute(
                "select first_id, last_id, stores, array(select store_id from unnest(store_keys) with ordinality as"
                " key (store_key, place) join store using (store_key) order by place)"
                " from report_batch order by batch_no"
            ).fetchall()
        assert batches == [
            ("'=quoted", "=north", 2, ["'=quoted", "=north"]),
            ("south", "west", 2, ["south", "west"]),
        ]

    def test_unknown_ids_are_named(self, api: TestClient) -> None:
        asked = ["south", *(f"nobody-{n}" for n in range(7))]
        refused = problem(api.post("/v1/reports", json={"stores": {"ids": asked}}), 422, "invalid_request")
        assert refused["field"] == "body.stores.ids"
        assert refused["detail"] == (
            "7 of 8 store ids are unknown: 'nobody-0', 'nobody-1', 'nobody-2', 'nobody-3', 'nobody-4', …;"
            " remove them or import the stores first"
        )


@pytest.mark.parametrize(
    "other",
    [
        {"policy": "hold"},
        {"detail": True},
        {"as_of": "2024-10-01T00:00:00Z"},
        {"windows": ["last_hour"]},
        {"windows": ["last_week", "last_day", "last_hour"]},
        {"formats": ["json"]},
        {"stores": {"ids": ["south"]}},
        {"stores": {"labels": {"region": "asia"}}},
    ],
)
def test_only_equal_parameters_share_a_report(api: TestClient, other: dict[str, Any]) -> None:
    plain, again = (api.post("/v1/reports", json=body).json()["id"] for body in ({}, {"formats": ["csv"]}))
    first, second = (api.post("/v1/reports", json=other).json()["id"] for _ in range(2))
    assert plain == again
    assert first == second != plain


def test_an_idempotency_key_covers_all_parameters(api: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    asked = {"stores": {"ids": ["west", "south"]}, "formats": ["json", "csv"], "windows": ["PT6H"]}
    same = {"stores": {"ids": ["south", "west", "west"]}, "formats": ["json"], "windows": ["PT6H"]}
    first, again = (
        api.post("/v1/reports", json=body, headers=headers).json()["id"] for body in (asked, same)
    )
    assert first == again
    for change in (
        {"windows": ["PT7H"]},
        {"formats": ["csv"]},
        {"files": ["outages"]},
        {"stores": {"ids": ["west"]}},
    ):
        refused = api.post("/v1/reports", json=asked | change, headers=headers)
        problem(refused, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"windows": []}, "body.windows"),
        ({"windows": ["P1M"]}, "body.windows"),
        ({"windows": ["PT1H", "last_hour"]}, "body.windows"),
        ({"windows": [f"PT{n}M" for n in range(1, 22)]}, "body.windows"),
        ({"windows": "PT6H"}, "body.windows"),
        ({"formats": ["docx"]}, "body.formats.0"),
        ({"formats": []}, "body.formats"),
        ({"files": ["polls"]}, "body.files.0"),
        ({"files": []}, "body.files"),
        ({"stores": {}}, "body.stores"),
        ({"stores": {"ids": []}}, "body.stores.ids"),
        ({"stores": {"ids": [""]}}, "body.stores.ids.0"),
        ({"stores": {"ids": ["a\0"]}}, "body"),  # the detail names the place
        ({"stores": {"ids": [str(n) for n in range(10_001)]}}, "body.stores.ids"),
        ({"stores": {"labels": {"a:b": "c"}}}, "body.stores.labels"),
        ({"stores": {"labels": {}}}, "body.stores.labels"),
        ({"stores": {"names": ["a"]}}, "body.stores.names"),
        ({"stores": ["a"]}, "body.stores"),
    ],
)
def test_invalid_parameters_are_refused_with_the_field(api: TestClient, body: Any, field: str) -> None:
    refused = problem(api.post("/v1/reports", json=body), 422, "invalid_request")
    assert refused["errors"][0]["field"] == field


def test_the_files_of_a_report_are_kept_and_retired_together(api: TestClient, worker: WorkerContext) -> None:
    made(api, worker, formats=["json", "xlsx"])
    storage = worker.storage
    with worker.pool.connection() as conn:
        assert sweep_bucket(conn, storage, 9e9, grace=timedelta(0)) == BucketSweep(
            objects=2, uploads=0, strangers=0
        )
        assert [item.key.split("/")[3] for item in storage.list("reports/")] == [
            "report.csv", "report.json", "report.xlsx"
        ]  # fmt: skip
        assert reconcile(conn, storage, 9e9, deep=True).is_clean
        (lost,) = [item.key for item in storage.list("reports/") if item.key.endswith("json")]
        storage.delete(lost)
        (damage,) = reconcile(conn, storage, 9e9).files
        assert (damage.object.report_id, damage.object.key) == (UUID(lost.split("/")[1]), lost)


def test_a_single_csv_batch_becomes_the_file_with_other_formats_too(
    api: TestClient, worker: WorkerContext, env: dict[str, str]
) -> None:
    report = made(api, worker, stores={"ids": ["south"]}, formats=["json"])
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        objects: dict[str, str] = dict(conn.execute("select format, object from report_file").fetchall())
    assert objects["csv"].split("/")[2:] == ["parts", "000000-1", "report.csv"]
    assert objects["json"].split("/")[2:] == ["final-1", "report.json"]
    assert json.loads(content(report, "json"))["provenance"]["stores"] == '{"ids": 1}'


def test_a_full_disk_gives_the_finalisation_back_and_does_not_count_against_it(
    api: TestClient, worker: WorkerContext
) -> None:
    request = {"formats": ["xlsx"], "stores": {"ids": ["south"]}}
    report_id = UUID(api.post("/v1/reports", json=request).json()["id"])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # no file may grow beyond, as on a full disk
    try:
        assert compute_batch(worker, report_id, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with worker.pool.connection() as conn:
        assert conn.execute("select state, finalise_burnt, error ->> 'detail' from report").fetchone() == (
            "running", 0, "the worker's disk has no room for the temporary files of a format"
        )  # fmt: skip
    assert finalise_report(worker, report_id)
    assert api.get(f"/v1/reports/{report_id}").json()["state"] == "succeeded"


def test_a_worker_that_lost_the_finalisation_leaves_no_files(
    api: TestClient, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_id = api.post("/v1/reports", json={"formats": ["parquet", "json", "xlsx"]}).json()["id"]
    assert compute_batch(worker, UUID(report_id), 0)

    def overtaken(*_: object, **__: object) -> bool:
        with worker.pool.connection() as conn:
            conn.execute("update report set finalise_attempt = finalise_attempt + 1")
        return False

    monkeypatch.setattr("services.worker.finalise_report.renew_finalise", overtaken)
    monkeypatch.setattr("services.worker.lease_renewal._PARTS", 1e9)  # so that it is asked for at every step
    assert compute_batch(worker, UUID(report_id), 1)
    with worker.pool.connection() as conn:
        assert conn.execute("select state, (select count(*) from report_file) from report").fetchone() == (
            "running",
            0,
        )

"""One store that cannot be computed costs only itself: the report has all others, and names it with the reason."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.ingest.run import ingest_paths
from services.worker import part as part_module
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.render import Values, report_values
from shared.uptime.tzdata_release import tzdata_version
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.fixtures.services import Services

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
STORES = tuple(f"store-{n}" for n in range(7))
MARS = "update store set timezone = 'Mars/Olympus' where store_id = %s"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    stores = {
        name: Store(
            timezone=("Europe/Berlin", "Asia/Kolkata")[n % 2],
            hours=[(day, 8 * 3600, 20 * 3600 + n) for day in range(7)],
            polls=[(NOW - timedelta(hours=hours, minutes=n), hours % 3 > 0) for hours in range(30)],
        )
        for n, name in enumerate(STORES)
    }
    load_fleet(database_url, stores)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def make_report(api: TestClient, worker: WorkerContext, **more: Any) -> dict[str, Any]:
    accepted = api.post("/v1/reports", json={"as_of": NOW.isoformat(), **more}).json()
    work(worker, accepted["id"])
    body: dict[str, Any] = api.get(f"/v1/reports/{accepted['id']}").json()
    assert body["state"] == "succeeded", body["error"]
    return body


def rows_of(conn: psycopg.Connection, worker: WorkerContext, report: Mapping[str, Any]) -> list[str]:
    query = "select object from report_file where report_id = %s and format = 'csv'"
    ((key,),) = conn.execute(query, [report["id"]]).fetchall()
    return content_of(worker.storage, key).decode().splitlines()


def plant_zone(conn: psycopg.Connection, store_id: str, zone: str) -> None:
    conn.execute("update store set timezone = %s where store_id = %s", [zone, store_id])


def plant_hours(conn: psycopg.Connection, store_id: str, day: int, opens: int, closes: int) -> None:
    """Plant a row that no import can write."""
    conn.execute(
        "alter table business_hours drop constraint if exists business_hours_day_of_week_check,"
        " drop constraint if exists business_hours_opens_check, drop constraint if exists business_hours_closes_check"
    )
    conn.execute(
        "insert into business_hours select store_key, %s, %s, %s from store where store_id = %s",
        [day, opens, closes, store_id],
    )


def plant_adjustment(
    conn: psycopg.Connection, store_id: str, table: str, column: str, intervals: list[int | None]
) -> None:
    """Plant dated or special hours that no import can write, on the day of the report."""
    conn.execute(
        f"insert into {table} (store_key, {column}, intervals, since_seq)"
        " select store_key, %s, %s, seq from store, ledger_head where store_id = %s",
        [NOW.date(), intervals, store_id],
    )
    conn.execute("update ledger_head set adjusted_seq = seq")


def plant_calendar(conn: psycopg.Connection, store_id: str, dates: str) -> None:
    """Plant a calendar that no call can write, for one store."""
    conn.execute("""update store set labels = '{"broken": "yes"}' where store_id = %s""", [store_id])
    conn.execute(
        "insert into calendar (name, labels, dates, since_seq)"
        """ select 'broken', '{"broken": "yes"}', %s::jsonb, seq from ledger_head""",
        [dates],
    )
    conn.execute("update ledger_head set adjusted_seq = seq")


FAULTS: Mapping[str, tuple[Callable[[psycopg.Connection, str], None], str, str]] = {
    "a zone of no database": (
        lambda conn, store: plant_zone(conn, store, "Mars/Olympus"),
        "unknown_timezone",
        "'Mars/Olympus'",
    ),
    "a zone that is a path": (
        lambda conn, store: plant_zone(conn, store, "../../etc/passwd"),
        "unknown_timezone",
        "passwd",
    ),
    "a zone that is a folder": (
        lambda conn, store: plant_zone(conn, store, "America"),
        "unknown_timezone",
        "'America'",
    ),
    "the machine's zone": (
        lambda conn, store: plant_zone(conn, store, "localtime"),
        "unknown_timezone",
        tzdata_version(),
    ),
    "an empty zone": (lambda conn, store: plant_zone(conn, store, ""), "unknown_timezone", "''"),
    "garbage": (
        lambda conn, store: plant_zone(conn, store, "\x01\u202e" * 500),
        "unknown_timezone",
        "set a zone",
    ),
    "a ninth day": (lambda conn, store: plant_hours(conn, store, 9, 0, 3600), "invalid_hours", "day 9"),
    "a day below 0": (lambda conn, store: plant_hours(conn, store, -1, 0, 3600), "invalid_hours", "day -1"),
    "a closing past 24 h": (
        lambda conn, store: plant_hours(conn, store, 1, 0, 90_000),
        "invalid_hours",
        "to 90000",
    ),
    "a ninth day of dated hours": (
        lambda conn, store: plant_adjustment(conn, store, "dated_hours", "effective_from", [9, 0, 3600]),
        "invalid_hours",
        "day 9",
    ),
    "special hours past 24 h": (
        lambda conn, store: plant_adjustment(conn, store, "special_hours", "date", [0, 90_000]),
        "invalid_hours",
        "to 90000",
    ),
    "dated hours cut off": (
        lambda conn, store: plant_adjustment(conn, store, "dated_hours", "effective_from", [0, 3600]),
        "invalid_hours",
        "set them again",
    ),
    "special hours cut off": (
        lambda conn, store: plant_adjustment(conn, store, "special_hours", "date", [3600]),
        "invalid_hours",
        "set them again",
    ),
    "special hours without a number": (
        lambda conn, store: plant_adjustment(conn, store, "special_hours", "date", [3600, None]),
        "invalid_hours",
        "set them again",
    ),
    "a calendar that is a list": (
        lambda conn, store: plant_calendar(conn, store, "[]"),
        "invalid_hours",
        "a calendar with its labels",
    ),
    "a calendar of no dates": (
        lambda conn, store: plant_calendar(conn, store, '{"soon": []}'),
        "invalid_hours",
        "a calendar with its labels",
    ),
    "a calendar with a word": (
        lambda conn, store: plant_calendar(conn, store, f'{{"{NOW.date()}": ["10:00", "14:00"]}}'),
        "invalid_hours",
        "a calendar with its labels",
    ),
    "a calendar with half an interval": (
        lambda conn, store: plant_calendar(conn, store, f'{{"{NOW.date()}": [3600]}}'),
        "invalid_hours",
        "a calendar with its labels",
    ),
    "a calendar with a huge number": (
        lambda conn, store: plant_calendar(conn, store, f'{{"{NOW.date()}": [0, {10**30}]}}'),
        "invalid_hours",
        "a calendar with its labels",
    ),
    "an opening before midnight": (
        lambda conn, store: plant_hours(conn, store, 1, -5, 90),
        "invalid_hours",
        "from second -5",
    ),
}


@pytest.mark.parametrize(("fault", "place"), [*zip(FAULTS, itertools.cycle([0, 3, 6]), strict=False)])
def test_it_costs_only_itself(
    fault: str, place: int, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    whole = rows_of(conn, worker, make_report(api, worker))
    plant, reason, named = FAULTS[fault]
    plant(conn, STORES[place])
    report = make_report(api, worker, force=True, formats=["json"])
    assert rows_of(conn, worker, report) == [*whole[: place + 1], *whole[place + 2 :]]
    assert (report["stores_failed"], report["progress"]["stores_total"]) == (1, len(STORES))
    (failed,) = report["failed_stores"]
    assert (failed["store_id"], failed["reason"]) == (STORES[place], reason)
    assert named in failed["detail"]
    assert {file["rows"] for file in report["files"]} == {len(STORES) - 1}
    event = "select report_event(%s)::jsonb #> '{data,stores_failed}'"
    assert conn.execute(event, [report["id"]]).fetchone() == (1,)


def test_jobs_of_other_kinds_hide_no_store_that_the_newest_report_left_out(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    newest = "select store_id from newest_failed_store"
    plant_zone(conn, STORES[2], "Mars/Olympus")
    make_report(api, worker)
    plant_zone(conn, STORES[2], "Europe/Berlin")
    run = api.post("/v1/insights/runs").json()
    work(worker, run["id"])
    assert api.get(f"/v1/insights/runs/{run['id']}").json()["state"] == "succeeded"
    assert conn.execute(newest).fetchall() == [(STORES[2],)]
    make_report(api, worker, force=True)
    assert conn.execute(newest).fetchall() == []


def test_a_batch_of_which_nothing_is_left(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    whole = rows_of(conn, worker, make_report(api, worker))
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id <> %s", [STORES[4]])
    report = make_report(api, worker, force=True, formats=["json", "parquet", "xlsx"])
    assert rows_of(conn, worker, report) == [whole[0], whole[5]]
    assert report["stores_failed"] == len(STORES) - 1
    assert [store["store_id"] for store in report["failed_stores"]] == [*STORES[:4], *STORES[5:]]
    assert {file["rows"] for file in report["files"]} == {1}


def use_one_batch(api: TestClient) -> None:
    state = cast(FastAPI, api.app).state
    state.context = replace(state.context, batch_terms=replace(state.context.batch_terms, batch_stores=100))


def raising_for(broken: Sequence[str], error: Exception) -> Callable[..., Mapping[str, Values]]:
    """Return a `report_values` that raises for some stores, as a bug of the computation would."""

    def compute(store_ids: Sequence[str], *rest: Any) -> Mapping[str, Values]:
        if not set(broken).isdisjoint(store_ids):
            raise error
        return report_values(store_ids, *rest)

    return compute


@pytest.mark.parametrize("broken", [STORES[:1], STORES[3:4], STORES[2:5], STORES[:-1]])
def test_stores_that_raise_are_found_and_left_out(
    broken: Sequence[str],
    api: TestClient,
    worker: WorkerContext,
    conn: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = rows_of(conn, worker, make_report(api, worker))
    use_one_batch(api)
    monkeypatch.setattr(part_module, "report_values", raising_for(broken, ZeroDivisionError("by a store")))
    report = make_report(api, worker, force=True)
    assert rows_of(conn, worker, report) == [row for row in whole if row.split(",")[0] not in broken]
    assert [(store["store_id"], store["reason"]) for store in report["failed_stores"]] == [
        (store, "not_computed") for store in broken
    ]
    assert "ZeroDivisionError: by a store" in report["failed_stores"][0]["detail"]


@pytest.mark.parametrize(
    ("broken", "error"),
    [(STORES, ZeroDivisionError("everywhere")), (STORES[:1], MemoryError()), (STORES[:1], OSError(24, "x"))],
    ids=["every store", "memory", "files"],
)
def test_what_is_no_fault_of_a_store_costs_a_claim(
    broken: Sequence[str],
    error: Exception,
    api: TestClient,
    worker: WorkerContext,
    conn: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part_module, "report_values", raising_for(broken, error))
    report_id = api.post("/v1/reports", json={"as_of": NOW.isoformat()}).json()["id"]
    assert not compute_batch(worker, UUID(report_id), 0)
    found = conn.execute("select state, burnt, failed_stores from report_batch where batch_no = 0").fetchone()
    assert found == ("pending", 1, 0)
    assert conn.execute("select count(*) from report_failed_store").fetchone() == (0,)


def test_a_batch_without_a_fault_is_computed_once(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def compute(store_ids: Sequence[str], *rest: Any) -> Mapping[str, Values]:
        computed.append(len(store_ids))
        return report_values(store_ids, *rest)

    monkeypatch.setattr(part_module, "report_values", compute)
    make_report(api, worker)
    assert computed == [2, 2, 2, 1]
    conn.execute(MARS, [STORES[0]])
    make_report(api, worker, force=True)
    assert computed == [2, 2, 2, 1, 1, 2, 2, 1]


def test_after_a_repair_the_next_report_has_the_store_again(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    whole = make_report(api, worker)
    conn.execute(MARS, [STORES[2]])
    lacking = make_report(api, worker, force=True)
    assert lacking["stores_failed"] == 1
    conn.execute("update store set timezone = 'Europe/Berlin' where store_id = %s", [STORES[2]])
    conn.execute("delete from report where id = %s", [whole["id"]])
    repaired = make_report(api, worker)
    assert repaired["id"] != lacking["id"]
    assert (repaired["stores_failed"], repaired["failed_stores"]) == (0, [])
    assert make_report_again(api) == repaired["id"], "a whole report is shared as before"


def make_report_again(api: TestClient) -> str:
    return str(api.post("/v1/reports", json={"as_of": NOW.isoformat()}).json()["id"])


def test_a_batch_that_runs_again_leaves_nothing_of_its_first_run(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    conn.execute(MARS, [STORES[0]])
    report_id = api.post("/v1/reports", json={"as_of": NOW.isoformat()}).json()["id"]
    assert compute_batch(worker, UUID(report_id), 0)
    conn.execute("update store set timezone = 'UTC' where store_id = %s", [STORES[0]])
    conn.execute("update report_batch set state = 'pending', part = null where batch_no = 0")
    work(replace(worker, inputs=InputCache(1 << 20)), report_id)
    body = api.get(f"/v1/reports/{report_id}").json()
    assert (body["state"], body["stores_failed"], body["failed_stores"]) == ("succeeded", 0, [])


def test_many_are_counted_and_the_first_hundred_named(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection, database_url: str
) -> None:
    load_fleet(database_url, {f"x{n:03}": Store(polls=[(NOW, True)]) for n in range(130)})
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id like 'x%'")
    report = make_report(api, worker, force=True)
    assert report["stores_failed"] == 130
    assert [store["store_id"] for store in report["failed_stores"]] == [f"x{n:03}" for n in range(100)]
    path = f"/v1/reports/{report['id']}/failed-stores"
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(path, params={"limit": 50, **cursor}).json()
        seen += [store["store_id"] for store in page["failed_stores"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [f"x{n:03}" for n in range(130)]
    (listed,) = api.get("/v1/reports").json()["reports"]
    assert listed["stores_failed"] == 130


def test_its_timeline_names_the_fault_and_other_pages_show_it(
    api: TestClient, conn: psycopg.Connection
) -> None:
    conn.execute(MARS, [STORES[0]])
    conn.execute("""update store set labels = '["a"]' where store_id = %s""", [STORES[1]])
    conn.execute("""update store set labels = '{"n": 1, "s": "t"}' where store_id = %s""", [STORES[2]])
    refused = problem(api.get(f"/v1/stores/{STORES[0]}/timeline"), 409, "store_failed")
    assert STORES[0] in refused["detail"]
    assert "Mars/Olympus" in refused["detail"]
    assert api.get(f"/v1/stores/{STORES[1]}/timeline").status_code == 200
    listed = {store["store_id"]: store for store in api.get("/v1/stores").json()["stores"]}
    assert listed[STORES[0]]["timezone"] == "Mars/Olympus"
    assert listed[STORES[1]]["labels"] == {}
    assert listed[STORES[2]]["labels"] == {"n": "1", "s": "t"}
    for store_id in STORES:
        assert api.get(f"/v1/stores/{store_id}").status_code == 200


def test_case_04_a_zone_that_no_worker_knows(env: dict[str, str], database_url: str, tmp_path: Path) -> None:
    """By file and command: the row is rejected; a zone stored earlier costs its store only, by name."""
    (tmp_path / "timezones.csv").write_text(
        "store_id,timezone_str\nlake-3,Factory\nlake-4,localtime\nlake-5,UTC\nlake-6,UTC\n"
    )
    polls = [f"lake-{n},active,2024-10-14 10:00:00 UTC" for n in range(3, 7)]
    (tmp_path / "polls.csv").write_text("\n".join(["store_id,status,timestamp_utc", *polls]) + "\n")
    results = {Path(result.source).name: result for result in ingest_paths(database_url, [str(tmp_path)])}
    assert [reject.raw for reject in results["timezones.csv"].first_rejects] == [
        b"lake-3,Factory",
        b"lake-4,localtime",
    ]
    with psycopg.connect(database_url) as conn:
        plant_zone(conn, "lake-4", "localtime")
    again = tmp_path / "more.csv"
    again.write_text("store_id,status,timestamp_utc\nlake-4,active,2024-10-14 11:00:00 UTC\n")
    (result,) = ingest_paths(database_url, [str(again)])
    assert (result.state, result.error) == ("succeeded", None)
    output = tmp_path / "report.csv"
    with Services({**env, "COLUMNS": "250"}, tmp_path) as services:
        services.api()
        services.worker()
        made = services.run("report", "-o", str(output))
        listed = services.run("reports", "list", "--json")
        report_id = listed.stdout.split('"id": "')[1].split('"')[0]
        shown = services.run("reports", "show", report_id)
        checked = services.run("doctor")
    assert made.returncode == 0, made.stderr
    assert "1 of 4 stores could not be computed" in made.stderr
    assert "lake-4: time zone 'localtime'" in made.stderr
    assert [row.split(",")[0] for row in output.read_text().splitlines()[1:]] == [
        "lake-3",
        "lake-5",
        "lake-6",
    ]
    assert "unknown_timezone: time zone 'localtime'" in shown.stdout
    assert checked.returncode == 1
    assert "store lake-4: time zone 'localtime'" in checked.stdout
    assert f"database {tzdata_version()} everywhere" in checked.stdout

"""Months of facts as Parquet: DuckDB and Polars read what SQL does, and only what changed is written again."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import AsyncConnection
from types_boto3_s3 import S3Client

from services.ingest.run import ingest_paths
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.facts import month_file
from services.worker.facts.export_claimed import export_claimed_month
from services.worker.facts.month_file import columns_with_units
from services.worker.lease_renewal import LeaseRenewal
from shared.facts.exports import nightly_exports
from shared.reports.claim import claim_next
from shared.settings import Settings
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.integration.facts.test_facts_walk import build

NOON = datetime(2024, 10, 31, 12, tzinfo=UTC)
POLLS = [(NOON + timedelta(hours=n), n % 5 != 0) for n in range(-150, 150)]
FLEET = {"0042": Store(POLLS), 'odd, "id"': Store(POLLS, "Asia/Kathmandu"), "b": Store(POLLS)}
FIRST, LAST = date(2024, 10, 28), date(2024, 11, 3)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "facts.md"
_BY_MONTH = """
select to_char(local_date, 'YYYY-MM') as month, sum(up_us)::float8 / sum(up_us + down_us)::float8
from reporting.store_days group by 1 order by 1"""
_VIEW = "select * from reporting.store_days where policy = 'classic' order by store_id, local_date"


@pytest.fixture
def conn(
    database_url: str, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection]:
    # Several row groups.
    monkeypatch.setattr(month_file, "_STORES_AT_ONCE", 2)
    load_fleet(database_url, FLEET)
    build(database_url, worker, FIRST, LAST)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def export(api: TestClient, worker: WorkerContext, **asked: object) -> dict[str, Any]:
    """Have months written and return the job."""
    created = api.post("/v1/facts/exports", json=asked)
    assert created.status_code == 202, created.json()
    work(worker, created.json()["id"])
    job: dict[str, Any] = api.get(created.headers["location"]).json()
    assert (job["state"], job["months_done"]) == ("succeeded", job["months_total"]), job
    return job


def copied(s3: S3Client, bucket: str, folder: Path) -> Path:
    """The bucket as a folder, as DuckDB without its extension for S3 reads it."""
    for item in s3.list_objects_v2(Bucket=bucket, Prefix="facts/")["Contents"]:
        path = folder / item["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
    return folder


def test_duckdb_and_polars_read_what_sql_reads(
    api: TestClient,
    worker: WorkerContext,
    conn: psycopg.Connection,
    s3: S3Client,
    settings: Settings,
    tmp_path: Path,
) -> None:
    job = export(api, worker)
    assert (job["first_month"], job["last_month"], job["months_total"]) == ("2024-10", "2024-11", 2)
    expected = conn.execute(_VIEW).fetchall()
    assert len(expected) == 3 * 7
    names = ", ".join(columns_with_units())
    folder = copied(s3, settings.s3_bucket, tmp_path)
    found = duckdb.execute(
        f"select {names}, month from read_parquet('{folder}/facts/month=*/*.parquet', hive_partitioning = true)"
        ' order by store_id collate "C", local_date'
    ).fetchall()
    assert [row[:-1] for row in found] == expected
    assert {(row[2].strftime("%Y-%m"), row[-1]) for row in found} == {("2024-10",) * 2, ("2024-11",) * 2}
    (query,) = re.findall(r"```\n(select month.*?)```", PAGE.read_text(), re.DOTALL)
    by_month = duckdb.execute(query.replace("s3://uptill", str(folder))).fetchall()
    assert by_month == conn.execute(_BY_MONTH).fetchall()
    frame = pl.scan_parquet(
        f"s3://{settings.s3_bucket}/facts/month=*/classic.parquet",
        hive_partitioning=True,
        storage_options={
            "aws_endpoint_url": settings.s3_endpoint,
            "aws_access_key_id": settings.s3_access_key,
            "aws_secret_access_key": settings.s3_secret_key.get_secret_value(),
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        },
    ).filter(month="2024-11")
    assert sorted(frame.select(columns_with_units().keys()).collect().rows()) == sorted(
        row for row in expected if row[2].month == 11
    )


def test_the_manifest_and_the_answer_describe_the_file(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    job = export(api, worker, first_month="2024-11", last_month="2024-11")
    (file,) = job["files"]
    data = content_of(worker.storage, file["object"])
    manifest = json.loads(content_of(worker.storage, "facts/month=2024-11/_classic.json"))
    known = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "rows": 9}
    for described in (file, manifest):
        assert {name: described[name] for name in known} == known
        assert (described["month"], described["object"]) == ("2024-11", "facts/month=2024-11/classic.parquet")
    assert (manifest["first_day"], manifest["last_day"], manifest["policy"]) == (
        "2024-11-01",
        "2024-11-03",
        "classic",
    )
    assert list(manifest["columns"]) == [column.name for column in conn.execute(_VIEW).description or ()]
    assert file["is_current"] is True


@pytest.mark.usefixtures("conn")
def test_only_months_that_changed_are_written_again(
    api: TestClient, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    def written(**asked: object) -> dict[str, str]:
        return {file["month"]: file["written_at"] for file in export(api, worker, **asked)["files"]}

    first = written()
    assert set(first) == {"2024-10", "2024-11"}
    assert written() == first
    # No fact is computed again, so no month is.
    build(database_url, worker, FIRST, LAST)
    assert written() == first
    late = tmp_path / "late.csv"
    late.write_text("store_id,status,timestamp_utc\nb,inactive,2024-10-29 07:07:07 UTC\n")
    ingest_paths(database_url, [str(late)])
    build(database_url, worker, FIRST, LAST)
    job = export(api, worker)
    later = {file["month"]: file["written_at"] for file in job["files"]}
    # Whether an outage began on a day can depend on polls of eight days before it, so both months were computed again.
    assert later["2024-10"] > first["2024-10"]
    before = {file["object"]: file["sha256"] for file in job["files"]}
    forced = export(api, worker, force=True)
    assert {file["object"]: file["sha256"] for file in forced["files"]} == before, (
        "the same facts, the same bytes"
    )
    assert all(file["written_at"] > later[file["month"]] for file in forced["files"])
    worker.storage.delete("facts/month=2024-11/classic.parquet")
    again = written()
    assert again["2024-11"] > forced["files"][1]["written_at"]
    assert again["2024-10"] == forced["files"][0]["written_at"]


def test_a_month_that_another_job_writes_is_left_to_it(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    job = api.post("/v1/facts/exports", json={"last_month": "2024-10"}).json()
    key = "select pg_advisory_xact_lock(hashtextextended('uptill.facts_month.classic2024-10-01', 0))"
    with conn.transaction():
        conn.execute(key)
        assert compute_next(worker) is False
    row = conn.execute(
        "select state, burnt, error ->> 'detail' from report_batch where report_id = %s", [job["id"]]
    )
    assert row.fetchone() == ("pending", 0, "another job writes the facts of 2024-10; the batch runs again")
    # As once its pause is over.
    conn.execute("update report_batch set due_since = clock_timestamp()")
    work(worker, job["id"])
    assert [file["month"] for file in api.get(f"/v1/facts/exports/{job['id']}").json()["files"]] == [
        "2024-10"
    ]


def test_a_month_that_was_written_for_a_canceled_export_is_written_again(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    november = {"first_month": "2024-11"}
    export(api, worker, **november)
    job = api.post("/v1/facts/exports", json={**november, "force": True}).json()
    with worker.pool.connection() as claiming:
        lease = claim_next(claiming, worker.terms)
    assert lease is not None
    api.delete(f"/v1/facts/exports/{job['id']}")
    renewal = LeaseRenewal(worker, lambda _: True, lambda _: False)
    completion = export_claimed_month(worker, lease, renewal)
    assert completion is not None
    assert not completion.accepted
    assert conn.execute("select version, written_version from facts_month order by month").fetchall() == [
        (2, None),
        (2, None),
    ]
    assert [file["is_current"] for file in export(api, worker, **november)["files"]] == [True]


def test_wrong_months_and_unknown_exports_are_refused(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    for wrong in ("2024-13", "2024", "1999-01", "2024-10-01"):
        answer = api.post("/v1/facts/exports", json={"first_month": wrong})
        assert "as 2026-10" in problem(answer, 422, "invalid_request")["detail"]
    answer = api.post("/v1/facts/exports", json={"first_month": "2024-11", "last_month": "2024-10"})
    assert "exchange them" in problem(answer, 422, "invalid_request")["detail"]
    answer = api.post("/v1/facts/exports", json={"first_month": "2000-01", "last_month": "2024-10"})
    assert "(120)" in problem(answer, 422, "invalid_request")["detail"]
    unknown = "00000000-0000-7000-8000-000000000000"
    problem(api.get(f"/v1/facts/exports/{unknown}"), 404, "facts_not_found")
    problem(api.delete(f"/v1/facts/exports/{unknown}"), 404, "facts_not_found")


def test_a_canceled_export_and_one_without_facts(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    job = api.post("/v1/facts/exports", json={}).json()
    canceled = api.delete(f"/v1/facts/exports/{job['id']}").json()
    assert (canceled["state"], canceled["files"]) == ("canceled", [])
    assert compute_next(worker) is None
    assert export(api, worker, policy="hold")["files"] == []
    # Neither is a report, nor a job that computes facts.
    problem(api.get(f"/v1/reports/{job['id']}"), 404, "report_not_found")
    problem(api.get(f"/v1/facts/{job['id']}"), 404, "facts_not_found")
    assert api.get("/v1/reports").json()["reports"] == []
    assert conn.execute("select count(*) from reporting.reports").fetchone() == (0,)


def test_the_scheduler_asks_once_a_night_and_after_the_facts(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection, database_url: str
) -> None:
    async def accept() -> list[int]:
        async with await AsyncConnection.connect(database_url, autocommit=True) as other:
            return [len(each.wakes) for each in await nightly_exports(other, timedelta(0), 60)]

    facts = api.post("/v1/facts", json={"first_day": "2024-10-28", "last_day": "2024-10-29"}).json()
    assert asyncio.run(accept()) == []
    work(worker, facts["id"])
    assert asyncio.run(accept()) == [2]
    assert asyncio.run(accept()) == []
    while compute_next(worker):
        pass
    conn.execute("update report set created_at = created_at - interval '1 day'")
    assert asyncio.run(accept()) == [], "no month has changed"

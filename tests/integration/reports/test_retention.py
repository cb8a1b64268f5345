"""Files go when their time is over, and what nothing points to goes too; what is wanted stays."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from types_boto3_s3 import S3Client

from services.cli.reconcile_files import reconcile
from services.scheduler.janitor import delete_old_data
from services.scheduler.retention import forget_requests
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.db.connect import make_pool
from shared.ids import new_id
from shared.reports.acceptance import BatchTerms
from shared.reports.claim import LeaseTerms
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.retention import (
    BucketSweep,
    expire_reports,
    remove_files,
    sweep_bucket,
)
from shared.reports.trigger import trigger_report
from shared.settings import Settings
from shared.storage import Storage, make_storage
from tests.fixtures.fleet import Store, load_fleet

WEEK_S = 7 * 86_400.0
LATER = datetime.now(UTC) + timedelta(hours=2)


class RetentionWorld:
    def __init__(self, url: str, conn: psycopg.Connection, storage: Storage, context: WorkerContext) -> None:
        self.url, self.conn, self.storage, self.context = url, conn, storage, context

    def trigger(self) -> UUID:
        async def run() -> UUID:
            async with await AsyncConnection.connect(self.url) as conn:
                request = ReportRequest(policy="classic", force=True)
                return (
                    await trigger_report(conn, request, ReportCaller("test"), BatchTerms(1, 60))
                ).report_id

        return asyncio.run(run())

    def compute(self, report_id: UUID, *batch_nos: int) -> None:
        for batch_no in batch_nos:
            assert compute_batch(self.context, report_id, batch_no)

    def keys(self) -> set[str]:
        """What is in the bucket, without the report's folder."""
        return {item.key.split("/", 2)[2] for item in self.storage.list("reports/")}

    def sweep(self) -> BucketSweep:
        """Look two hours from now."""
        return sweep_bucket(self.conn, self.storage, WEEK_S, now=LATER)


@pytest.fixture
def world(env: dict[str, str]) -> Iterator[RetentionWorld]:
    url = env["UPTILL_DATABASE_URL"]
    at = datetime(2024, 10, 14, tzinfo=UTC)
    load_fleet(url, {f"store-{n}": Store(polls=[(at, True)]) for n in range(3)})
    settings = Settings.model_validate(
        {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    )
    storage = make_storage(settings)
    with (
        make_pool(url, application_name="test", max_size=3) as pool,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        yield RetentionWorld(
            url,
            conn,
            storage,
            WorkerContext(pool, storage, LeaseTerms("test", 60, 5), lambda _: None, InputCache(1 << 27)),
        )


def test_the_parts_of_a_finished_report_go_and_its_file_stays(world: RetentionWorld) -> None:
    report_id = world.trigger()
    world.compute(report_id, 0, 1, 2)
    assert len(world.keys()) == 4
    assert sweep_bucket(world.conn, world.storage, WEEK_S) == BucketSweep(0, 0, 0), "nothing is an hour old"
    assert world.sweep() == BucketSweep(3, 0, 0)
    assert world.keys() == {"final-1/report.csv"}
    assert world.sweep() == BucketSweep(0, 0, 0)
    assert reconcile(world.conn, world.storage, WEEK_S, deep=True).is_clean


def test_a_report_under_way_keeps_everything_also_parts_of_lost_leases(world: RetentionWorld) -> None:
    report_id = world.trigger()
    world.compute(report_id, 0)
    world.storage.put(f"reports/{report_id}/parts/000001-1/report.csv", b"late", "text/csv")
    assert world.sweep() == BucketSweep(0, 0, 0)
    world.compute(report_id, 1, 2)
    assert world.sweep() == BucketSweep(3, 0, 0)


def test_a_failed_report_keeps_what_a_retry_needs(world: RetentionWorld) -> None:
    report_id = world.trigger()
    world.compute(report_id, 0)
    world.storage.put(f"reports/{report_id}/parts/000001-1/report.csv", b"unreferenced", "text/csv")
    world.conn.execute("update report set state = 'failed', finished_at = clock_timestamp()")
    assert world.sweep() == BucketSweep(1, 0, 0)
    assert world.keys() == {"parts/000000-1/report.csv"}
    world.conn.execute("update report set finished_at = clock_timestamp() - interval '8 days'")
    assert world.sweep() == BucketSweep(1, 0, 0)


def test_a_report_expires_after_its_time_with_its_files(world: RetentionWorld) -> None:
    old, young = world.trigger(), world.trigger()
    for report_id in (old, young):
        world.compute(report_id, 0, 1, 2)
    world.conn.execute("update report set finished_at = finished_at - interval '7 days' where id = %s", [old])
    assert expire_reports(world.conn, WEEK_S) == [old]
    assert expire_reports(world.conn, WEEK_S) == []
    assert remove_files(world.storage, old) == 4
    assert {item.key.split("/")[1] for item in world.storage.list("reports/")} == {str(young)}
    states: dict[UUID, str] = dict(world.conn.execute("select id, state from report").fetchall())
    assert states == {old: "expired", young: "succeeded"}


def test_files_that_an_interrupted_expiry_left_are_the_janitors(world: RetentionWorld) -> None:
    report_id = world.trigger()
    world.compute(report_id, 0, 1, 2)
    world.conn.execute("update report set finished_at = finished_at - interval '8 days'")
    assert expire_reports(world.conn, WEEK_S) == [report_id]
    assert world.sweep() == BucketSweep(4, 0, 0)


def test_objects_of_reports_that_this_database_does_not_know_are_left_alone(world: RetentionWorld) -> None:
    world.storage.put(f"reports/{new_id()}/final-1/report.csv", b"of another database", "text/csv")
    world.storage.put("reports/readme.txt", b"by hand", "text/plain")
    assert world.sweep() == BucketSweep(0, 0, strangers=1)


def test_an_upload_that_nobody_will_end_is_aborted(world: RetentionWorld, s3: S3Client) -> None:
    done, under_way = world.trigger(), world.trigger()
    world.compute(done, 0, 1, 2)
    keys = [f"reports/{report_id}/final-1/report.csv" for report_id in (done, under_way)]
    others = ("facts/month=2026-10/classic.parquet", "deliveries/finance/daily/report.csv")
    for key in (*keys, *others):
        upload = s3.create_multipart_upload(Bucket=world.storage.bucket, Key=key)["UploadId"]
        s3.upload_part(Bucket=world.storage.bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"piece")
    assert world.sweep() == BucketSweep(3, 3, 0)
    assert [list(world.storage.open_uploads(key)) for key in others] == [[], []]
    assert [item.key.split("/")[1] for item in world.storage.open_uploads("reports/")] == [str(under_way)]


def test_reconcile_finds_a_pointer_without_object_and_objects_without_pointer(world: RetentionWorld) -> None:
    report_id = world.trigger()
    world.compute(report_id, 0, 1, 2)
    world.storage.delete(f"reports/{report_id}/final-1/report.csv")
    found = reconcile(world.conn, world.storage, WEEK_S)
    assert [damage.object.report_id for damage in found.files] == [report_id]
    assert sorted(key.split("/")[3] for key in found.left_parts) == ["000000-1", "000001-1", "000002-1"]
    assert found.unreferenced == [], "parts of a report are not objects without a report"


def test_idempotency_keys_and_interests_go_once_nothing_asks_for_them(world: RetentionWorld) -> None:
    ended, running = world.trigger(), world.trigger()
    world.conn.execute(
        "update report set state = 'failed', finished_at = clock_timestamp() - interval '26 hours' where id = %s",
        [ended],
    )
    world.conn.execute("insert into report_interest (report_id, key_line) select id, 'other' from report")
    world.conn.execute("delete from idempotency")
    world.conn.execute(
        "insert into idempotency (created_by, key, request_sha256, report_id, created_at)"
        " select 'test', age, '', %s, clock_timestamp() - age::interval from unnest(%s::text[]) given (age)",
        [running, ["1 hour", "23 hours", "25 hours", "90 days"]],
    )
    assert forget_requests(world.conn) == 2
    kept = world.conn.execute("select key from idempotency order by key").fetchall()
    assert kept == [("1 hour",), ("23 hours",)]
    assert world.conn.execute("select report_id from report_interest").fetchall() == [(running,)]


def test_the_janitor_deletes_them(world: RetentionWorld, env: dict[str, str]) -> None:
    report_id = world.trigger()
    world.conn.execute(
        "insert into idempotency (created_by, key, request_sha256, report_id, created_at)"
        " values ('test', 'old', '', %s, clock_timestamp() - interval '2 days')",
        [report_id],
    )
    settings = Settings.model_validate(
        {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    )
    delete_old_data(world.context.pool, world.storage, settings)
    assert world.conn.execute("select count(*) from idempotency where key = 'old'").fetchone() == (0,)

"""The file of outages: parts that are damaged or missing, a plain report next to it, retention, and deliveries."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from services.cli.reconcile_files import reconcile
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.reports.retention import BucketSweep, sweep_bucket
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import DAMAGES, replace
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.integration.api.test_api import FLEET, NOW
from tests.integration.reports.test_corrupt_objects import go_on

STORES = FLEET | {
    f"store-{n}": Store(polls=[(NOW - timedelta(hours=h), (h + n) % 3 > 0) for h in range(40)])
    for n in range(5)
}
HARM: Mapping[str, Callable[[bytes], bytes]] = {
    **DAMAGES,
    "one letter": lambda data: data.replace(b",up,", b",op,", 1),
}
_NO_OUTAGES = "outages_part = null, outages_size_bytes = null, outages_sha256 = null, outages_rows = null"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, STORES)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def files_of(conn: psycopg.Connection, worker: WorkerContext, report_id: UUID) -> dict[str, bytes]:
    query = "select kind, object from report_file where report_id = %s"
    return {kind: content_of(worker.storage, key) for kind, key in conn.execute(query, [report_id])}


def make(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext, *, batch_stores: int = 3
) -> UUID:
    report_id = trigger(database_url, batch_stores=batch_stores, files=("report", "outages")).report_id
    go_on(conn, worker, report_id)
    return report_id


def test_a_report_without_outages_has_no_object_more(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    with_outages = files_of(conn, worker, make(database_url, conn, worker))
    plain = trigger(database_url, batch_stores=3).report_id
    go_on(conn, worker, plain)
    assert files_of(conn, worker, plain) == {"report": with_outages["report"]}
    assert not [
        item.key for item in worker.storage.list(f"reports/{plain}/") if item.key.endswith("outages.csv")
    ]


def test_one_batch_or_several_make_the_same_file(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    one, several = (
        files_of(conn, worker, make(database_url, conn, worker, batch_stores=n)) for n in (100, 3)
    )
    assert one == several
    assert one["outages"].count(b"\n") > 20


@pytest.mark.parametrize("how", ["half", "empty", "a row more", "one letter"])
def test_a_damaged_part_is_computed_again(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext, how: str
) -> None:
    expected = files_of(conn, worker, make(database_url, conn, worker))
    report_id = trigger(database_url, batch_stores=3, files=("report", "outages")).report_id
    assert compute_batch(worker, report_id, 0)
    ((key,),) = conn.execute("select outages_part from report_batch where outages_part is not null and report_id = %s", [report_id]).fetchall()  # fmt: skip
    replace(worker.storage, key, HARM[how](content_of(worker.storage, key)))
    go_on(conn, worker, report_id)
    assert files_of(conn, worker, report_id) == expected
    ((attempts,),) = conn.execute("select attempt from report_batch where batch_no = 0 and report_id = %s", [report_id]).fetchall()  # fmt: skip
    assert attempts == 2


def test_a_batch_of_the_previous_release_is_computed_again(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    expected = files_of(conn, worker, make(database_url, conn, worker))
    report_id = trigger(database_url, batch_stores=3, files=("report", "outages")).report_id
    assert compute_batch(worker, report_id, 1)
    conn.execute(f"update report_batch set {_NO_OUTAGES} where report_id = %s", [report_id])
    go_on(conn, worker, report_id)
    assert files_of(conn, worker, report_id) == expected


def test_a_part_with_other_columns_is_computed_again(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    """As from a worker of the previous release, during an upgrade."""
    expected, report_id = (trigger(database_url, batch_stores=n, detail=True).report_id for n in (100, 3))
    go_on(conn, worker, expected)
    assert compute_batch(worker, report_id, 1)
    ((key,),) = conn.execute("select part from report_batch where part is not null and report_id = %s", [report_id]).fetchall()  # fmt: skip
    lines = content_of(worker.storage, key).splitlines()
    shorter = b"".join(line.rpartition(b",")[0] + b"\n" for line in lines)
    stored = worker.storage.put(key, shorter, "binary/octet-stream")
    conn.execute(
        "update report_batch set size_bytes = %s, sha256 = %s where part = %s",
        [stored.size_bytes, stored.sha256, key],
    )
    go_on(conn, worker, report_id)
    assert files_of(conn, worker, report_id) == files_of(conn, worker, expected)


def test_files_are_kept_and_retired_together(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    report_id = make(database_url, conn, worker)
    sweep = sweep_bucket(conn, worker.storage, 9e9, grace=timedelta(0))
    assert sweep == BucketSweep(objects=6, uploads=0, strangers=0), "the parts of three batches"
    names = [item.key.split("/")[3] for item in worker.storage.list(f"reports/{report_id}/")]
    assert names == ["outages.csv", "report.csv"]
    assert reconcile(conn, worker.storage, 9e9, deep=True).is_clean
    worker.storage.delete(f"reports/{report_id}/final-1/outages.csv")
    (damage,) = reconcile(conn, worker.storage, 9e9).files
    assert damage.object.name == "outages.csv"


def test_parts_are_kept_until_they_are_merged(
    database_url: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    report_id = trigger(database_url, batch_stores=3, files=("report", "outages")).report_id
    assert compute_batch(worker, report_id, 0)
    assert sweep_bucket(conn, worker.storage, 9e9, grace=timedelta(0)).objects == 0
    worker.storage.delete(f"reports/{report_id}/parts/000000-1/outages.csv")
    (damage,) = reconcile(conn, worker.storage, 9e9).parts
    assert damage.object.name == "the part of batch 0 for outages"
    conn.execute(
        "update report set state = 'failed', finished_at = clock_timestamp() where id = %s", [report_id]
    )
    assert sweep_bucket(conn, worker.storage, 9e9, grace=timedelta(0)).objects == 0, "for a retry"

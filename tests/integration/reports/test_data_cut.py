"""One data cut a report: whatever is committed while its batches are computed, all of them have seen the same."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_store import ChangeOptions
from services.ingest.http.record_change import record_change
from services.ingest.write.history_table import CALENDARS, CLOSURES
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.contracts import ComputeBatch, Wake
from shared.db.connect import make_pool
from shared.ids import new_id
from shared.reports.acceptance import BatchTerms
from shared.reports.claim import LeaseTerms
from shared.reports.consistency import MAX_ROUNDS
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.trigger import trigger_report
from shared.settings import Settings
from shared.storage import Storage, make_storage
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import Store, load_fleet

AS_OF = datetime(2024, 10, 14, 18, tzinfo=UTC)
STORES = [f"store-{n}" for n in range(4)]


class DataCutWorld:
    """A database, a bucket and one worker; batches are computed when the test says so."""

    def __init__(self, url: str, pool: ConnectionPool, storage: Storage) -> None:
        self.url = url
        self.woken: list[Wake] = []
        self.storage = storage
        self.context = WorkerContext(
            pool, storage, LeaseTerms("test", 60, 5), self.woken.extend, InputCache(1 << 27)
        )

    def trigger(self) -> UUID:
        async def run() -> UUID:
            async with await AsyncConnection.connect(self.url) as conn:
                request = ReportRequest(policy="classic", as_of=AS_OF)
                return (
                    await trigger_report(conn, request, ReportCaller("test"), BatchTerms(1, 60))
                ).report_id

        return asyncio.run(run())

    def late_poll(self, store_id: str, at: datetime, *, kind: str = "polls") -> None:
        """Commit a change as ingest does: rows, a chunk of an import, the next ledger number."""
        with psycopg.connect(self.url) as conn:
            (seq,) = conn.execute("update ledger_head set seq = seq + 1 returning seq").fetchone() or (0,)
            conn.execute("select ensure_observation_partition(%s)", [at])
            if kind == "polls":
                conn.execute(
                    "insert into observation select store_key, %s, false from store where store_id = %s",
                    [at, store_id],
                )
            else:
                conn.execute("update store set timezone = 'Asia/Kathmandu' where store_id = %s", [store_id])
            import_id = new_id()
            conn.execute("insert into import (id, kind, source) values (%s, %s, 'late')", [import_id, kind])
            conn.execute(
                "insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)"
                " values (%s, 0, 0, 1, %s, %s, %s)",
                [import_id, seq, at if kind == "polls" else None, at if kind == "polls" else None],
            )

    def report(self, report_id: UUID) -> tuple[str, int | None, int | None]:
        """State, the cut all batches agree on, and the most rounds a batch went."""
        with psycopg.connect(self.url) as conn:
            row = conn.execute(
                "select state, read_cut, (select max(round) from report_batch where report_id = r.id)"
                " from report r where id = %s",
                [report_id],
            ).fetchone()
        assert row is not None
        return row

    def file(self, report_id: UUID) -> list[str]:
        with psycopg.connect(self.url) as conn:
            row = conn.execute("select object from report_file where report_id = %s", [report_id]).fetchone()
        assert row is not None
        return content_of(self.storage, row[0]).decode().splitlines()


@pytest.fixture
def world(env: dict[str, str]) -> Iterator[DataCutWorld]:
    load_fleet(env["UPTILL_DATABASE_URL"], {name: Store(polls=[(AS_OF, True)]) for name in STORES})
    settings = Settings.model_validate(
        {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    )
    with make_pool(env["UPTILL_DATABASE_URL"], application_name="test", max_size=3) as pool:
        yield DataCutWorld(env["UPTILL_DATABASE_URL"], pool, make_storage(settings))


def compute(world: DataCutWorld, report_id: UUID, *batch_nos: int) -> None:
    for batch_no in batch_nos:
        assert compute_batch(world.context, report_id, batch_no)


def down_last_week(world: DataCutWorld, report_id: UUID) -> dict[str, bool]:
    """Which stores have any downtime in the file."""
    return {line.split(",")[0]: float(line.split(",")[-1]) > 0 for line in world.file(report_id)[1:]}


def test_batches_that_missed_a_late_poll_are_computed_again(world: DataCutWorld) -> None:
    report_id = world.trigger()
    compute(world, report_id, 0, 1)
    world.late_poll("store-0", AS_OF - timedelta(hours=1))
    compute(world, report_id, 2, 3)
    assert world.report(report_id) == ("running", None, 1)
    assert world.woken == [ComputeBatch(report_id=report_id, batch_no=n) for n in (0, 1)]
    compute(world, report_id, 0, 1)
    assert world.report(report_id) == ("succeeded", 2, 1)
    assert down_last_week(world, report_id) == {
        "store-0": True, "store-1": False, "store-2": False, "store-3": False
    }  # fmt: skip


@pytest.mark.parametrize("age", [timedelta(days=60), timedelta(hours=-2)], ids=["long before", "after as_of"])
def test_a_poll_of_another_time_disturbs_nobody(world: DataCutWorld, age: timedelta) -> None:
    report_id = world.trigger()
    compute(world, report_id, 0, 1)
    world.late_poll("store-0", AS_OF - age)
    compute(world, report_id, 2, 3)
    assert world.report(report_id) == ("succeeded", 2, 0)
    assert not any(down_last_week(world, report_id).values())


def test_what_every_batch_has_seen_disturbs_nobody(world: DataCutWorld) -> None:
    report_id = world.trigger()
    world.late_poll("store-0", AS_OF - timedelta(hours=1))
    compute(world, report_id, 0, 1, 2, 3)
    assert world.report(report_id) == ("succeeded", 2, 0)


def test_time_zones_and_hours_are_part_of_the_cut(world: DataCutWorld) -> None:
    report_id = world.trigger()
    compute(world, report_id, 0)
    world.late_poll("store-0", AS_OF, kind="timezones")
    compute(world, report_id, 1, 2, 3)
    assert world.report(report_id) == ("running", None, 1)


@pytest.mark.parametrize(
    ("starts", "ends", "again"),
    [
        (timedelta(hours=-3), timedelta(hours=-2), 1),
        (timedelta(days=-90), None, 1),
        (timedelta(days=-90), timedelta(days=-60), 0),
        (timedelta(hours=2), None, 0),
    ],
    ids=["in it", "without end", "long before", "after as_of"],
)
def test_a_closure_disturbs_the_reports_of_its_time(
    world: DataCutWorld, starts: timedelta, ends: timedelta | None, again: int
) -> None:
    report_id = world.trigger()
    compute(world, report_id, 0, 1)
    row = {"id": new_id(), "store_key": 0, "starts_at": AS_OF + starts, "ends_at": ends and AS_OF + ends}
    row |= {"treatment": "exclude", "reason": "other"}
    record_change(world.url, "closures", "test", "test", lambda _, change: change.merge_rows(CLOSURES, [row]))
    compute(world, report_id, 2, 3)
    assert world.report(report_id) == (("running", None, 1) if again else ("succeeded", 2, 0))


def test_labels_are_part_of_the_cut_once_they_decide_about_hours(world: DataCutWorld) -> None:
    row = {"name": "x", "labels": Jsonb({}), "dates": Jsonb({})}
    for declared in (False, True):
        report_id = world.trigger()
        compute(world, report_id, 0, 1)
        replace_labels(world.url, "store-0", {"declared": str(declared)}, ChangeOptions("test"))
        compute(world, report_id, 2, 3)
        assert world.report(report_id)[0] == ("running" if declared else "succeeded")
        record_change(
            world.url, "calendars", "test", "test", lambda _, change: change.merge_rows(CALENDARS, [row])
        )


def test_a_report_that_is_disturbed_for_ever_is_read_in_one_snapshot_at_last(world: DataCutWorld) -> None:
    report_id = world.trigger()
    due = [0, 1, 2, 3]
    for disturbance in range(MAX_ROUNDS + 1):
        compute(world, report_id, *due[:-1])
        world.late_poll("store-0", AS_OF - timedelta(minutes=1 + disturbance))
        world.woken.clear()
        compute(world, report_id, due[-1])
        state, _, rounds = world.report(report_id)
        if state == "succeeded":
            break
        assert rounds == disturbance + 1
        due = [wake.batch_no for wake in world.woken if isinstance(wake, ComputeBatch)]
        assert len(due) >= 2, "those that were computed before the disturbance"
    assert world.report(report_id) == ("succeeded", disturbance + 2, MAX_ROUNDS)
    assert down_last_week(world, report_id)["store-0"]
    with psycopg.connect(world.url) as conn:
        parts = [part for (part,) in conn.execute("select part from report_batch order by batch_no")]
    assert any("-final-" in part for part in parts), (
        "the worker that finished the report computed them itself"
    )

"""Objects that somebody or something changed: no report succeeds with them, and what can be computed again is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace as with_
from datetime import timedelta
from uuid import UUID

import psycopg
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from shared.errors import ObjectCorrupt, ObjectGone
from shared.reports.due import bury_poison, due_finalisations
from shared.settings import Settings
from shared.storage import Expected, FetchedObject, Storage, StoredObject, make_client, make_storage
from shared.storage.client import make_session
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import DAMAGES, damage, replace
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.reports import trigger
from tests.integration.api.test_api import FLEET, NOW

STORES = FLEET | {f"store-{n}": Store(polls=[(NOW - timedelta(hours=n), n % 2 == 0)]) for n in range(5)}
every_damage = pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
hardest = pytest.mark.parametrize("how", [DAMAGES["one digit"], DAMAGES["half"]], ids=["one digit", "half"])


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, STORES)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def expected(conn: psycopg.Connection, worker: WorkerContext, database_url: str) -> bytes:
    """The file of an undisturbed report about the same data."""
    report_id = trigger(database_url, batch_stores=100).report_id
    work(worker, str(report_id))
    return file_of(conn, worker, report_id)


def file_of(conn: psycopg.Connection, worker: WorkerContext, report_id: UUID) -> bytes:
    query = "select object, size_bytes, sha256, rows from report_file where report_id = %s and format = 'csv'"
    ((key, size_bytes, sha256, rows),) = conn.execute(query, [report_id]).fetchall()
    worker.storage.verify(StoredObject(key, size_bytes, sha256))
    assert rows == len(STORES)
    return content_of(worker.storage, key)


def part_of(conn: psycopg.Connection, report_id: UUID, batch_no: int) -> str:
    query = "select part from report_batch where report_id = %s and batch_no = %s"
    ((key,),) = conn.execute(query, [report_id, batch_no]).fetchall()
    assert isinstance(key, str)
    return key


def state_of(conn: psycopg.Connection, report_id: UUID) -> str:
    ((state,),) = conn.execute("select state from report where id = %s", [report_id]).fetchall()
    return str(state)


def go_on(conn: psycopg.Connection, worker: WorkerContext, report_id: UUID) -> int:
    """Do what workers and the scheduler do until the report has ended; returns how many batches were computed."""
    computed = 0
    for _ in range(40):
        if state_of(conn, report_id) in ("succeeded", "failed"):
            return computed
        pending = "select batch_no from report_batch where report_id = %s and state = 'pending' order by 1"
        for (batch_no,) in conn.execute(pending, [report_id]).fetchall():
            computed += compute_batch(worker, report_id, batch_no)
        # The pause between retries is over.
        conn.execute("update report set finalise_lease_until = clock_timestamp() where finaliser is null")
        for wake in due_finalisations(conn, worker.terms.max_attempts):
            finalise_report(worker, wake.report_id)
        bury_poison(conn, worker.terms.max_attempts)
    raise AssertionError("it goes on for ever")


class Meddler(Storage):
    """The real store, with somebody who changes objects at chosen moments."""

    on_read: Callable[[str], None] = staticmethod(lambda _: None)
    on_written: Callable[[str], object] = staticmethod(lambda _: None)

    def read(self, expected: Expected) -> Iterator[bytes]:
        self.on_read(expected.key)
        return super().read(expected)

    def fetch(self, expected: Expected) -> FetchedObject:
        self.on_read(expected.key)
        return super().fetch(expected)

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        stored = super().put(key, data, content_type)
        self.on_written(key)
        return stored

    def put_stream(self, key: str, blocks: Iterable[bytes], content_type: str) -> StoredObject:
        stored = super().put_stream(key, blocks, content_type)
        self.on_written(key)
        return stored

    def put_joined(self, key: str, objects: Iterable[FetchedObject], content_type: str) -> StoredObject:
        stored = super().put_joined(key, objects, content_type)
        self.on_written(key)
        return stored


@pytest.fixture
def meddled(worker: WorkerContext, settings: Settings) -> tuple[WorkerContext, Meddler]:
    """A worker whose store somebody meddles with."""
    client = make_client(settings, settings.s3_endpoint)
    credentials = make_session(settings).get_credentials()
    meddler = Meddler(client, settings.s3_bucket, settings.s3_public_endpoint, credentials)
    return with_(worker, storage=meddler), meddler


class Once:
    """Runs `step` for the first key that contains `text`, and counts."""

    def __init__(self, text: str, step: Callable[[str], None]) -> None:
        self.hits, self._text, self._step = 0, text, step

    def __call__(self, key: str) -> None:
        if self._text in key and not self.hits:
            self.hits += 1
            self._step(key)


class TestParts:
    @every_damage
    def test_a_changed_part_is_computed_again(
        self,
        how: Callable[[bytes], bytes],
        conn: psycopg.Connection,
        worker: WorkerContext,
        expected: bytes,
        database_url: str,
    ) -> None:
        report_id = trigger(database_url).report_id
        for done in (0, 1, 2):
            assert compute_batch(worker, report_id, done)
        damage(worker.storage, part_of(conn, report_id, 0), how)
        assert compute_batch(worker, report_id, 3)
        assert state_of(conn, report_id) == "running"
        assert go_on(conn, worker, report_id) == 1, "only the damaged batch is computed again"
        assert file_of(conn, worker, report_id) == expected

    def test_all_parts_changed_at_once_heal_in_one_round(
        self, conn: psycopg.Connection, worker: WorkerContext, expected: bytes, database_url: str
    ) -> None:
        report_id = trigger(database_url, batch_stores=1).report_id
        for done in range(7):
            assert compute_batch(worker, report_id, done)
            damage(worker.storage, part_of(conn, report_id, done), DAMAGES["half"])
        assert compute_batch(worker, report_id, 7)
        assert go_on(conn, worker, report_id) == 7
        assert file_of(conn, worker, report_id) == expected

    @pytest.mark.parametrize("foreign", ["another batch", "another report", "an older attempt"])
    def test_a_part_of_another_place_does_not_pass(
        self,
        foreign: str,
        conn: psycopg.Connection,
        worker: WorkerContext,
        expected: bytes,
        database_url: str,
        api: TestClient,
    ) -> None:
        report_id = trigger(database_url).report_id
        for done in (0, 1, 2):
            assert compute_batch(worker, report_id, done)
        victim = part_of(conn, report_id, 1)
        if foreign == "another batch":
            other = content_of(worker.storage, part_of(conn, report_id, 2))
        elif foreign == "another report":
            earlier = {"as_of": (NOW - timedelta(hours=3)).isoformat()}
            other_id = UUID(api.post("/v1/reports", json=earlier).json()["id"])
            assert compute_batch(worker, other_id, 1)
            other = content_of(worker.storage, part_of(conn, other_id, 1))
        else:  # this attempt's part is put where the next one writes
            other = DAMAGES["one digit"](content_of(worker.storage, victim))
            conn.execute(
                "update report_batch set state = 'pending' where report_id = %s and batch_no = 1", [report_id]
            )
            assert compute_batch(worker, report_id, 1)
            victim = part_of(conn, report_id, 1)
            assert "000001-2" in victim
        replace(worker.storage, victim, other)
        assert compute_batch(worker, report_id, 3)
        conn.execute(
            "update report set state = 'canceled' where id <> %s and state <> 'succeeded'", [report_id]
        )
        assert go_on(conn, worker, report_id) == 1
        assert file_of(conn, worker, report_id) == expected

    @hardest
    def test_a_part_is_changed_while_the_parts_before_it_are_merged(
        self,
        how: Callable[[bytes], bytes],
        conn: psycopg.Connection,
        meddled: tuple[WorkerContext, Meddler],
        expected: bytes,
        database_url: str,
    ) -> None:
        worker, meddler = meddled
        report_id = trigger(database_url, batch_stores=1).report_id
        for done in range(7):
            assert compute_batch(worker, report_id, done)
        meddler.on_read = once = Once(
            "/parts/000000-", lambda _: damage(meddler, part_of(conn, report_id, 6), how)
        )
        assert compute_batch(worker, report_id, 7)
        assert once.hits == 1
        assert go_on(conn, worker, report_id) == 1
        assert file_of(conn, worker, report_id) == expected

    @hardest
    def test_the_only_part_is_the_file_and_is_verified(
        self,
        how: Callable[[bytes], bytes],
        conn: psycopg.Connection,
        meddled: tuple[WorkerContext, Meddler],
        expected: bytes,
        database_url: str,
    ) -> None:
        worker, meddler = meddled
        report_id = trigger(database_url, batch_stores=100).report_id
        meddler.on_written = once = Once("/parts/000000-", lambda key: damage(worker.storage, key, how))
        assert go_on(conn, worker, report_id) == 2
        assert once.hits == 1
        assert file_of(conn, worker, report_id) == expected

    def test_parts_that_are_changed_for_ever_fail_the_report_with_the_reason(
        self,
        conn: psycopg.Connection,
        meddled: tuple[WorkerContext, Meddler],
        database_url: str,
        settings: Settings,
    ) -> None:
        worker, meddler = meddled
        worker_store = make_storage(settings)
        report_id = trigger(database_url).report_id
        meddler.on_written = lambda key: damage(worker_store, key, lambda _: b"junk")
        go_on(conn, worker, report_id)
        ((error,),) = conn.execute(
            "select error ->> 'detail' from report where id = %s", [report_id]
        ).fetchall()
        assert state_of(conn, report_id) == "failed"
        assert "tried 5 times" in error
        assert "has changed: it has 4 bytes instead of" in error

    def test_a_retry_computes_a_changed_part_again_though_its_claims_were_used_up(
        self,
        conn: psycopg.Connection,
        worker: WorkerContext,
        expected: bytes,
        database_url: str,
        api: TestClient,
    ) -> None:
        report_id = trigger(database_url).report_id
        for done in (0, 1, 2):
            assert compute_batch(worker, report_id, done)
        conn.execute("update report_batch set burnt = 5 where report_id = %s", [report_id])
        assert bury_poison(conn, 5) == [report_id]
        damage(worker.storage, part_of(conn, report_id, 1), DAMAGES["half"])
        assert api.post(f"/v1/reports/{report_id}/retry").status_code == 202
        assert go_on(conn, worker, report_id) == 2
        assert file_of(conn, worker, report_id) == expected


class TestFiles:
    @every_damage
    def test_a_csv_that_is_changed_while_others_are_made_from_it_is_made_again(
        self,
        how: Callable[[bytes], bytes],
        conn: psycopg.Connection,
        meddled: tuple[WorkerContext, Meddler],
        expected: bytes,
        api: TestClient,
    ) -> None:
        worker, meddler = meddled
        asked = {"formats": ["json", "parquet", "xlsx"], "force": True}
        report_id = UUID(api.post("/v1/reports", json=asked).json()["id"])
        meddler.on_read = once = Once("/final-1/", lambda key: damage(meddler, key, how))
        assert go_on(conn, worker, report_id) == 4
        assert once.hits == 1
        keys = {item.key for item in meddler.list(f"reports/{report_id}/final-")}
        names = [f"final-{attempt}/report" for attempt in (1, 2)]
        assert {key.partition(f"{report_id}/")[2] for key in keys} == {
            f"{names[0]}.csv", *(f"{names[1]}.{each}" for each in ("csv", "json", "parquet", "xlsx"))
        }, "nothing was made from the damaged file"  # fmt: skip
        assert file_of(conn, worker, report_id) == expected
        table = pq.read_table(pq_source(meddler, f"reports/{report_id}/final-2/report.parquet"))
        assert table.num_rows == len(STORES)

    def test_a_file_that_is_cut_before_its_report_succeeds_is_made_again(
        self,
        conn: psycopg.Connection,
        meddled: tuple[WorkerContext, Meddler],
        expected: bytes,
        database_url: str,
    ) -> None:
        worker, meddler = meddled
        report_id = trigger(database_url).report_id
        meddler.on_written = once = Once("/final-1/", lambda key: damage(meddler, key, DAMAGES["half"]))
        assert go_on(conn, worker, report_id) == 4
        assert once.hits == 1
        assert file_of(conn, worker, report_id) == expected


class TestStorage:
    @pytest.fixture
    def large(self, worker: WorkerContext) -> StoredObject:
        """An object of three pieces."""
        return worker.storage.put_stream(
            "reports/large", (b"%07d\n" % n * 1000 for n in range(2500)), "text/plain"
        )

    @hardest
    def test_a_read_of_a_large_object_ends_with_the_damage(
        self, how: Callable[[bytes], bytes], worker: WorkerContext, large: StoredObject
    ) -> None:
        worker.storage.verify(large)
        damage(worker.storage, large.key, lambda data: how(data + b"0.0000\n"))
        with pytest.raises(ObjectCorrupt, match="reports/large has changed"):
            worker.storage.verify(large)

    def test_a_copy_of_damaged_bytes_never_appears(self, worker: WorkerContext, large: StoredObject) -> None:
        damage(worker.storage, large.key, lambda data: data[:-1] + b"x")
        with pytest.raises(ObjectCorrupt):
            worker.storage.copy(large, "deliveries/copy", "text/plain")
        assert list(worker.storage.list("deliveries/")) == []
        assert list(worker.storage.open_uploads("deliveries/")) == []
        worker.storage.delete(large.key)
        with pytest.raises(ObjectGone):
            worker.storage.verify(large)


def pq_source(storage: Storage, key: str) -> "pq.ParquetFile":
    import pyarrow as pa  # noqa: PLC0415

    return pa.BufferReader(content_of(storage, key))

"""Imports that ended long ago go, and with them nothing else: no poll, no figure, no change that a report has to know of."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import psycopg
import pytest

from services.ingest.http.schemas_import_parts import ImportKind
from services.ingest.run import Limits, LoadOptions, ingest_paths, load_source
from services.ingest.watch import Watcher
from services.ingest.write.ledger import ImportLedger
from services.sample import write_sample
from services.scheduler.janitor import delete_old_data
from services.scheduler.retention import forget_imports
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.db.queries import queries
from shared.ids import new_id
from shared.settings import Settings
from tests.fixtures.buckets import content_of
from tests.fixtures.local_stack import eventually
from tests.fixtures.reports import trigger
from tests.integration.ingest.database import POLLS_HEADER, counts
from tests.integration.ingest.service import ended, ingest_service
from tests.oracle.report import expected_csv

KEEP_DAYS = 30
AT = "2024-09-02 00:00:00 UTC"
POLLS = [POLLS_HEADER, f"a,active,{AT}", f"b,inactive,{AT}", "c,closed,yesterday"]
OTHERS = {
    "hours.csv": ["store_id,day,start_time_local,end_time_local", "a,0,09:00,17:00"],
    "zones.csv": ["store_id,timezone_str", "a,Asia/Tokyo"],
}
_DATA = (
    "select (select array_agg(o order by store_key, observed_at) from observation o)::text,"
    " (select array_agg(s order by store_key) from store s)::text, (select array_agg(h) from business_hours h)::text, seq"
    " from ledger_head"
)


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def write(file: Path, lines: list[str]) -> str:
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def age(conn: psycopg.Connection, days: int = KEEP_DAYS + 1, where: str = "true") -> None:
    """Let what has ended have ended so long ago."""
    conn.execute(
        f"update import set started_at = started_at - %(age)s, finished_at = finished_at - %(age)s where {where}".encode(),
        {"age": timedelta(days=days)},
    )


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def rows(conn: psycopg.Connection) -> tuple[int, ...]:
    """How many imports, chunks and rejected rows there are."""
    row = conn.execute(
        "select (select count(*) from import), (select count(*) from import_chunk), (select count(*) from import_reject)"
    ).fetchone()
    assert row is not None
    return row


def figures(conn: psycopg.Connection) -> list[Any]:
    return [
        sorted(conn.execute(queries("facts")[name]).fetchall())
        for name in ("imports_total", "import_rows_total")
    ]


def test_every_kind_of_import_is_counted(conn: psycopg.Connection) -> None:
    kinds = {*get_args(ImportKind)} - {"archive"}  # counted by its members
    ended, read = figures(conn)
    assert {kind for kind, *_ in ended} == {*kinds, "unknown"}
    assert {kind for kind, *_ in read} == kinds


def test_an_old_import_goes_and_only_the_ledger_knows_less(
    conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    files = [write(tmp_path / name, lines) for name, lines in {**OTHERS, "polls.csv": POLLS}.items()]
    ingest_paths(
        database_url,
        [*files, write(tmp_path / "empty.csv", [""])],
        options=LoadOptions(limits=Limits(reject_limit=0.6)),
    )
    data, shown = conn.execute(_DATA).fetchone(), figures(conn)
    assert rows(conn)[::2] == (4, 1)
    age(conn, KEEP_DAYS - 1)
    assert forget_imports(conn, KEEP_DAYS) == 0
    age(conn)
    assert forget_imports(conn, 0) == 0
    conn.execute("set role uptill_worker")
    assert forget_imports(conn, KEEP_DAYS) == 4
    conn.execute("reset role")
    assert rows(conn) == (0, 0, 0)
    assert conn.execute(_DATA).fetchone() == data
    assert figures(conn) == shown
    assert one(conn, "select forgotten_seq = seq and seq > 0 from ledger_head")
    ingest_paths(database_url, files)  # counted on top of the forgotten ones
    age(conn)
    shown = figures(conn)
    assert forget_imports(conn, KEEP_DAYS) == 3
    assert figures(conn) == shown


def test_the_scheduler_does_it_if_it_is_told_to(
    conn: psycopg.Connection, worker: WorkerContext, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    ingest_paths(database_url, [write(tmp_path / "polls.csv", POLLS)])
    age(conn)
    delete_old_data(worker.pool, worker.storage, settings)
    assert rows(conn)[0] == 1
    delete_old_data(worker.pool, worker.storage, settings.model_copy(update={"imports_keep_days": KEEP_DAYS}))
    assert rows(conn) == (0, 0, 0)


def test_in_steps_the_counts_go_last(conn: psycopg.Connection, database_url: str, tmp_path: Path) -> None:
    lines = [POLLS_HEADER, *(f"store-{n:04},active,{AT}" for n in range(1000))]
    ingest_paths(
        database_url,
        [write(tmp_path / "polls.csv", lines)],
        options=LoadOptions(limits=Limits(chunk_bytes=4096)),
    )
    age(conn)
    before, shown = rows(conn), figures(conn)
    assert before[1] > 5
    assert conn.execute("select * from forget_imports(clock_timestamp(), 2)").fetchall() == [(0, True)]
    assert rows(conn) == (1, before[1] - 2, 0)
    assert figures(conn) == shown
    assert forget_imports(conn, KEEP_DAYS, rows_at_once=2) == 1
    assert rows(conn) == (0, 0, 0)
    assert figures(conn) == shown
    assert one(conn, "select forgotten_seq = seq from ledger_head")


KEPT = {
    "young": "update import set finished_at = clock_timestamp()",
    "running": "update import set state = 'running', finished_at = null",
    "queued": "update import set state = 'queued', finished_at = null",
    "an interrupted upload": """update import set state = 'failed', error = '{"reason": "fault"}', created_by = 'key'""",
    "with polls that wait for a key": "insert into import_pending (import_id, store_key, observed_at, first_active, is_active)"
    " select id, 1, now(), true, true from import",
    "with rows not applied": "insert into import_staged (import_id, store_id) select id, 'a' from import",
}


@pytest.mark.parametrize(
    ("why", "member"),
    [(why, member) for why in KEPT for member in (False, True) if not (member and "upload" in why)],
)
def test_what_is_kept(conn: psycopg.Connection, why: str, member: bool) -> None:
    root, other = new_id(), new_id()
    insert = "insert into import (id, parent_id, kind, source, state, finished_at) values (%s, %s, %s, 'x', 'succeeded', clock_timestamp())"
    conn.execute(insert, [root, None, "polls"])
    age(conn)
    conn.execute(KEPT[why].encode())
    if member:
        conn.execute(insert, [other, None, "archive"])
        age(conn, where=f"id = '{other}'")
        conn.execute("update import set parent_id = %s where id = %s", [other, root])
    before = rows(conn)
    assert forget_imports(conn, KEEP_DAYS) == 0
    assert rows(conn) == before


def test_an_archive_goes_with_its_members(conn: psycopg.Connection) -> None:
    archive = new_id()
    for import_id, parent, kind in [
        (archive, None, "archive"),
        *((new_id(), archive, "polls") for _ in "ab"),
    ]:
        conn.execute(
            "insert into import (id, parent_id, kind, source, state, finished_at) values (%s, %s, %s, 'x', 'succeeded', now())",
            [import_id, parent, kind],
        )
    age(conn)
    shown = figures(conn)
    assert forget_imports(conn, KEEP_DAYS) == 3
    assert figures(conn) == shown


def test_what_goes_on_at_this_moment_stays(
    conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    ingest_paths(database_url, [write(tmp_path / "polls.csv", POLLS)])
    age(conn)
    with psycopg.connect(database_url, autocommit=True) as other:
        ledger = ImportLedger(other, one(conn, "select id from import"))
        assert ledger.try_hold()
        assert forget_imports(conn, KEEP_DAYS) == 0
        ledger.release()
    assert forget_imports(conn, KEEP_DAYS) == 1


def test_a_writer_at_work_is_not_held_up(conn: psycopg.Connection, database_url: str, tmp_path: Path) -> None:
    ingest_paths(database_url, [write(tmp_path / "polls.csv", POLLS)])
    age(conn)
    with psycopg.connect(database_url) as writer:
        writer.execute(queries("ingest")["lock_writers"])
        assert forget_imports(conn, KEEP_DAYS) == 0
    assert forget_imports(conn, KEEP_DAYS) == 1


@pytest.mark.parametrize("repeated", [False, True], ids=["forgotten wholly", "a repetition is kept"])
def test_the_same_bytes_again_are_read_once_more(
    conn: psycopg.Connection, database_url: str, tmp_path: Path, repeated: bool
) -> None:
    file = write(tmp_path / "polls.csv", POLLS[:3])
    ingest_paths(database_url, [file])
    age(conn)
    if repeated:
        (repetition,) = ingest_paths(database_url, [file])
        assert repetition.same_as is not None
    assert forget_imports(conn, KEEP_DAYS) == 1
    data = conn.execute(_DATA).fetchone()
    (again,) = ingest_paths(database_url, [file])
    assert counts(again) == (0, 2, 0, 0)
    after = conn.execute(_DATA).fetchone()
    assert data is not None
    assert after is not None
    assert after[:-1] == data[:-1]
    (third,) = ingest_paths(database_url, [file])
    assert counts(third) == (0, 0, 0, 0)
    assert third.same_as is not None


def test_a_forgotten_correction_is_not_taken_for_none(
    conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    """The file that was corrected is kept, as it was when its import ended later than that of the correction."""
    first = write(tmp_path / "first.csv", [POLLS_HEADER, f"a,active,{AT}"])
    ingest_paths(database_url, [first])
    ingest_paths(database_url, [write(tmp_path / "second.csv", [POLLS_HEADER, f"a,inactive,{AT}"])])
    age(conn, where="corrected > 0")
    assert forget_imports(conn, KEEP_DAYS) == 1
    (again,) = ingest_paths(database_url, [first])
    assert (counts(again), again.same_as) == ((0, 0, 1, 0), None)
    assert one(conn, "select is_active from observation")


def test_an_interrupted_import_that_was_forgotten_begins_anew(
    conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "polls.csv", [POLLS_HEADER, *(f"store-{n:04},active,{AT}" for n in range(1000))])

    class Killed(BaseException):
        pass

    def die(_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        ingest_paths(
            database_url, [file], options=LoadOptions(limits=Limits(chunk_bytes=4096), on_progress=die)
        )
    (loaded,) = conn.execute("select accepted from import where error ->> 'reason' = 'fault'").fetchone() or (
        0,
    )
    assert 0 < loaded < 1000
    shown = figures(conn)
    age(conn)
    assert forget_imports(conn, KEEP_DAYS) == 1
    assert figures(conn) == shown
    (again,) = ingest_paths(database_url, [file])
    assert again.resumed_at_byte == 0
    assert counts(again) == (1000 - loaded, loaded, 0, 0)


def test_a_watcher_loads_nothing_again(
    conn: psycopg.Connection, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "polls.csv", POLLS)

    def look_twice() -> None:
        watcher = Watcher(
            str(folder),
            settings,
            partial(load_source, database_url),
        )
        for _ in range(2):
            watcher.check_once()

    look_twice()
    age(conn)
    assert forget_imports(conn, KEEP_DAYS) == 1
    look_twice()
    assert rows(conn) == (0, 0, 0)


def test_by_http_a_forgotten_import_is_not_found(
    conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    with ingest_service(database_url, tmp_path / "spool") as service:
        body = ended(service, service.post("/v1/imports", content="\n".join(POLLS).encode()))
        assert service.get(f"/v1/imports/{body['id']}").status_code == 200
        age(conn)
        eventually(lambda: forget_imports(conn, KEEP_DAYS) == 1)  # once the importer has let it go
        assert service.get(f"/v1/imports/{body['id']}").status_code == 404
        assert service.get("/v1/imports").json()["imports"] == []


class ForgottenFleet:
    """A sample of which some polls come late, and what the oracle makes of it all."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._url = database_url
        write_sample(folder, stores=6, days=8)
        header, *polls = (folder / "store_status.csv").read_text().splitlines()
        newest = max(line.split(",")[2] for line in polls)
        late = {line for line in polls[::3] if line.split(",")[2] != newest}
        self.late = write(folder / "late.csv", [header, *sorted(late)])
        first = write(folder / "first.csv", [header, *(line for line in polls if line not in late)])
        others = [str(folder / name) for name in ("menu_hours.csv", "timezones.csv")]
        self.expected = expected_csv(folder / "store_status.csv", *map(Path, others))
        ingest_paths(database_url, [first, *others])


def file_of(worker: WorkerContext, conn: psycopg.Connection, report_id: UUID) -> bytes:
    ((key,),) = conn.execute("select object from report_file where report_id = %s", [report_id]).fetchall()
    return content_of(worker.storage, key)


def test_a_report_does_not_overlook_a_change_that_was_forgotten(
    conn: psycopg.Connection, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    fleet = ForgottenFleet(database_url, tmp_path)
    report_id = trigger(database_url, batch_stores=2).report_id
    assert compute_batch(worker, report_id, 0)
    ingest_paths(database_url, [fleet.late])
    age(conn)
    assert forget_imports(conn, KEEP_DAYS) == 4
    for batch_no in (1, 2):
        assert compute_batch(worker, report_id, batch_no)
    due = "select batch_no, round from report_batch where state = 'pending'"
    assert conn.execute(due).fetchall() == [(0, 1)]
    assert compute_batch(worker, report_id, 0)
    assert file_of(worker, conn, report_id) == fleet.expected


def test_a_report_that_was_read_at_one_number_is_not_read_again(
    conn: psycopg.Connection, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    fleet = ForgottenFleet(database_url, tmp_path)
    ingest_paths(database_url, [fleet.late])
    report_id = trigger(database_url, batch_stores=2).report_id
    for batch_no in (0, 1):
        assert compute_batch(worker, report_id, batch_no)
    age(conn)
    assert forget_imports(conn, KEEP_DAYS) == 4
    assert compute_batch(worker, report_id, 2)
    assert conn.execute("select state, (select max(round) from report_batch) from report").fetchall() == [
        ("succeeded", 0)
    ]
    assert file_of(worker, conn, report_id) == fleet.expected

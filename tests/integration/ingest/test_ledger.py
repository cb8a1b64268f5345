"""Which import a source is loaded under, what loading the same bytes again does, and when an import stops."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest

from services.ingest.run import (
    Limits,
    LoadOptions,
    LoadProgress,
    ingest_paths,
    ingest_source,
    load_source,
)
from services.ingest.sources.files import FileSource
from services.ingest.write.import_result import ImportResult
from services.ingest.write.ledger import ImportLedger
from shared.db.connect import connect
from shared.errors import ImportBusy, ImportNotFound
from tests.fixtures.ingest_figures import CHUNK_BYTES, Pipe, figures, write_polls
from tests.integration.ingest.database import POLLS_HEADER, check_ledger, counts, load, observations
from tests.integration.ingest.ledger_tables import HOURS, error_of, good, tables

NOTHING = (0, 0, 0, 0)


@pytest.fixture
def polls(tmp_path: Path) -> Path:
    file = tmp_path / "polls.csv"
    write_polls(file, seed=4, rows=2000, weeks=3)
    return file


def load_file(
    database_url: str, file: Path, on_progress: Callable[[LoadProgress], None] = lambda _: None
) -> ImportResult:
    (result,) = ingest_paths(
        database_url,
        [str(file)],
        options=LoadOptions(limits=Limits(chunk_bytes=CHUNK_BYTES), on_progress=on_progress),
    )
    return result


class BrokenOffError(BaseException):
    """Ends a load as a signal does: no result takes its place."""


def break_off(progress: LoadProgress) -> None:
    """Fail after some chunks."""
    if progress.bytes_done > 3 * CHUNK_BYTES:
        raise BrokenOffError


def test_the_same_bytes_again_change_nothing_under_any_name(database_url: str, polls: Path) -> None:
    first = load_file(database_url, polls)
    before = tables(database_url)
    copy = polls.with_name("copy.csv")
    copy.write_bytes(polls.read_bytes())
    for file in (polls, copy, polls):
        again = load_file(database_url, file)
        assert (again.state, again.same_as, again.kind) == ("succeeded", first.id, "polls")
        assert counts(again) == NOTHING
    assert first.same_as is None
    assert tables(database_url) == before


def test_other_bytes_of_the_same_size_are_loaded(database_url: str, polls: Path) -> None:
    load_file(database_url, polls)
    polls.write_bytes(polls.read_bytes().replace(b"store-1,", b"STORE-1,"))
    result = load_file(database_url, polls)
    assert result.same_as is None
    assert result.accepted > 0
    assert result.resumed_at_byte == 0


def test_a_stream_of_the_same_bytes_is_all_duplicates(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    first = load(database_url, file, [POLLS_HEADER, *map(good, range(20))])
    again = load_source(database_url, Pipe(file))
    assert counts(again) == (0, 20, 0, 0)
    assert again.same_as == first.id


def test_an_interrupted_import_resumes_under_its_own_id(database_url: str, polls: Path) -> None:
    with pytest.raises(BrokenOffError):
        load_file(database_url, polls, break_off)
    steps: list[LoadProgress] = []
    result = load_file(database_url, polls, steps.append)
    assert result.resumed_at_byte > 3 * CHUNK_BYTES
    assert result.rows_read == 2000 == steps[-1].rows_read
    assert steps[0].bytes_done > result.resumed_at_byte
    found = figures(database_url, polls)
    check_ledger(database_url)

    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import").fetchone() == (1,)
    assert load_file(database_url, polls).same_as == result.id
    assert figures(database_url, polls) == found


def test_an_interrupted_import_of_hours_resumes(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text("\n".join([HOURS, *(f"store-{n},{n % 7},09:00,10:00" for n in range(3000)), "x,9,,"]))
    with pytest.raises(BrokenOffError):
        load_file(database_url, file, break_off)
    assert tables(database_url)[2] == 0
    result = load_file(database_url, file)
    assert result.resumed_at_byte > 3 * CHUNK_BYTES
    assert result.error is None
    assert counts(result) == (3000, 0, 0, 1)
    assert tables(database_url)[2:] == (3000, *tables(database_url)[3:5], 0, tables(database_url)[6])
    check_ledger(database_url)


def test_a_changed_beginning_is_a_new_import(database_url: str, polls: Path) -> None:
    with pytest.raises(BrokenOffError):
        load_file(database_url, polls, break_off)
    polls.write_bytes(polls.read_bytes().replace(b"store-1,", b"STORE-1,"))
    result = load_file(database_url, polls)
    assert (result.state, result.resumed_at_byte, result.rows_read) == ("succeeded", 0, 2000)
    assert result.duplicate > 100  # what the first one had committed
    with psycopg.connect(database_url) as conn:
        states = conn.execute("select state from import order by started_at").fetchall()
    assert states == [("failed",), ("succeeded",)]
    check_ledger(database_url)


def test_a_live_import_is_left_alone(database_url: str, polls: Path) -> None:
    with pytest.raises(BrokenOffError):
        load_file(database_url, polls, break_off)
    with psycopg.connect(database_url) as owner:
        ((import_id,),) = owner.execute("select id from import")
        assert ImportLedger(owner, import_id).try_hold()
        result = load_file(database_url, polls)
    assert result.id != import_id
    assert result.resumed_at_byte == 0
    check_ledger(database_url)


def test_two_processes_with_the_same_file(database_url: str, polls: Path) -> None:
    begin = Barrier(2)

    def load_with_the_other(_: int) -> ImportResult:
        begin.wait(60)
        return load_file(database_url, polls)

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(load_with_the_other, range(2)))
    assert [result.state for result in results] == ["succeeded", "succeeded"]
    for result in results:
        assert result.rows_read == 2000 or (result.same_as and counts(result) == NOTHING)
    assert sum(result.accepted for result in results) == len(observations(database_url))
    check_ledger(database_url)


def test_a_queued_import_is_adopted_once(database_url: str, polls: Path) -> None:
    import_id = uuid4()
    with connect(database_url, application_name="test", autocommit=True) as conn:
        conn.execute("insert into import (id, source, state) values (%s, 'upload', 'queued')", [import_id])

        def load_queued() -> ImportResult:
            source = FileSource(polls)
            return ingest_source(conn, source, import_id=import_id)

        first, second = load_queued(), load_queued()
        assert first.id == second.id == import_id
        assert first.kind == "polls"
        assert counts(first) == counts(second)
        assert first.rows_read == 2000
        with psycopg.connect(database_url, autocommit=True) as owner:
            assert ImportLedger(owner, import_id).try_hold()
            with pytest.raises(ImportBusy):
                load_queued()
        with pytest.raises(ImportNotFound):
            ingest_source(conn, FileSource(polls), import_id=uuid4())


def test_a_file_that_grows_while_it_is_read_is_refused(database_url: str, polls: Path) -> None:
    grown = False

    def grow(_: LoadProgress) -> None:
        nonlocal grown
        if not grown:
            grown = True
            with polls.open("a") as lines:
                lines.write(good(1) + "\n")

    polls.write_bytes(polls.read_bytes() * 20)  # more than a block is still unread
    result = load_file(database_url, polls, grow)
    assert result.state == "failed"
    assert error_of(database_url, result)["reason"] == "changed_during_read"
    assert len(observations(database_url)) == result.accepted > 0
    check_ledger(database_url)

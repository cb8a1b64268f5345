"""The same bytes again: skipped if they cannot change anything, loaded if something has changed in between."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from services.ingest.run import Limits, LoadOptions, ingest_paths, load_source, plan_paths
from services.ingest.write.import_result import ImportResult
from tests.fixtures.ingest_figures import Pipe
from tests.integration.ingest.database import POLLS_HEADER, check_ledger, counts
from tests.integration.ingest.deliveries import pack
from tests.integration.ingest.service import ended, ingest_service

HOURS = "store_id,day,start_time_local,end_time_local"
ZONES = "store_id,timezone_str"
AT = "2024-09-02 00:00:00 UTC"
NOTHING = (0, 0, 0, 0)
READ = {
    "polls": "select is_active::text from observation order by store_key",
    "hours": "select opens::text from business_hours order by store_key, business_hours.opens",
    "zones": "select timezone from store order by store_key",
}

# Of each kind a file, another that contradicts it, and what the tables hold after each.
CONTRADICTIONS = {
    "polls": ([POLLS_HEADER, f"a,active,{AT}"], [POLLS_HEADER, f"a,inactive,{AT}"], ["true"], ["false"]),
    "hours": ([HOURS, "a,0,01:00,02:00"], [HOURS, "a,0,03:00,04:00"], ["3600"], ["10800"]),
    "zones": ([ZONES, "a,Asia/Tokyo"], [ZONES, "a,Asia/Seoul"], ["Asia/Tokyo"], ["Asia/Seoul"]),
}


def load(database_url: str, file: Path, lines: list[str]) -> ImportResult:
    file.write_text("\n".join(lines) + "\n")
    (result,) = ingest_paths(database_url, [str(file)])
    check_ledger(database_url)
    return result


def read(database_url: str, kind: str) -> list[str]:
    with psycopg.connect(database_url) as conn:
        return [value for (value,) in conn.execute(READ[kind].encode()).fetchall()]


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_the_last_file_loaded_wins_even_if_it_is_an_old_file(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    one, other, after_one, after_other = CONTRADICTIONS[kind]
    for number, (lines, after) in enumerate([(one, after_one), (other, after_other)] * 2):
        result = load(database_url, tmp_path / f"{number}.csv", lines)
        assert result.same_as is None
        assert result.rows_read == 1
        assert read(database_url, kind) == after
    last = load(database_url, tmp_path / "last.csv", other)
    assert last.same_as is not None
    assert counts(last) == NOTHING


def test_a_later_file_may_add_or_remove_hours(database_url: str, tmp_path: Path) -> None:
    """Hours of one row are not counted as a correction if they replace two rows."""
    two, one = [HOURS, "a,0,01:00,02:00", "a,1,03:00,04:00"], [HOURS, "a,0,01:00,02:00"]
    for lines, after in [
        (one, ["3600"]),
        (two, ["3600", "10800"]),
        (one, ["3600"]),
        (two, ["3600", "10800"]),
    ]:
        result = load(database_url, tmp_path / "hours.csv", lines)
        assert result.same_as is None
        assert read(database_url, "hours") == after


def test_a_pipe_that_removes_hours_is_not_the_same_bytes_again(database_url: str, tmp_path: Path) -> None:
    one = tmp_path / "one.csv"
    load(database_url, one, [HOURS, "a,0,01:00,02:00"])
    load(database_url, tmp_path / "two.csv", [HOURS, "a,0,01:00,02:00", "a,1,03:00,04:00"])
    again = load_source(database_url, Pipe(one))
    assert (counts(again), again.same_as) == ((0, 1, 0, 0), None)
    assert read(database_url, "hours") == ["3600"]


def test_polls_are_not_loaded_again_if_other_imports_only_added_polls(
    database_url: str, tmp_path: Path
) -> None:
    polls = [POLLS_HEADER, f"a,active,{AT}"]
    first = load(database_url, tmp_path / "a.csv", polls)
    load(database_url, tmp_path / "b.csv", [*polls, f"b,active,{AT}"])
    load(database_url, tmp_path / "c.csv", [HOURS, "a,0,01:00,02:00"])
    again = load(database_url, tmp_path / "d.csv", polls)
    assert (again.same_as, counts(again)) == (first.id, NOTHING)


def test_loading_a_file_again_undoes_a_correction_made_during_its_first_load(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "long.csv"
    file.write_text("\n".join([POLLS_HEADER, *(f"{n},active,{AT}" for n in range(400))]) + "\n")
    (first,) = ingest_paths(database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=4096)))
    other = load(database_url, tmp_path / "other.csv", [POLLS_HEADER, f"0,inactive,{AT}"])
    move = "update import_chunk set commit_seq = %s where commit_seq = %s"
    with psycopg.connect(database_url) as conn:  # as if the file's last chunk had come after it
        chunks = "select min(commit_seq), max(commit_seq), count(*) from import_chunk where import_id = %s"
        _, last, several = conn.execute(chunks, [first.id]).fetchone() or (0, 0, 0)
        correction, *_ = conn.execute(chunks, [other.id]).fetchone() or (0,)
        assert several > 1
        for numbers in ((0, last), (last, correction), (correction, 0)):
            conn.execute(move, numbers)
    again = load(database_url, tmp_path / "again.csv", file.read_text().splitlines())
    assert (again.same_as, again.corrected) == (None, 1)


def test_loading_a_file_again_undoes_what_a_call_changed(database_url: str, tmp_path: Path) -> None:
    polls, hours, zones = (CONTRADICTIONS[kind][0] for kind in ("polls", "hours", "zones"))
    files = {"polls": polls, "hours": hours, "zones": zones}
    with ingest_service(database_url, tmp_path / "spool") as service:

        def upload() -> dict[str, bool]:
            """Which of the files were left alone."""
            bodies = {kind: "\n".join(lines).encode() for kind, lines in files.items()}
            shown = {
                kind: ended(service, service.post("/v1/imports", content=body))
                for kind, body in bodies.items()
            }
            return {kind: body["same_as"] is not None for kind, body in shown.items()}

        assert not any(upload().values())
        assert all(upload().values())
        poll = {"store_id": "a", "status": "inactive", "observed_at": "2024-09-02T00:00:00Z"}
        interval = {"day_of_week": 3, "start_time_local": "05:00", "end_time_local": "06:00"}
        for answer in (
            service.post("/v1/observations", json={"observations": [poll]}),
            service.put("/v1/stores/a/hours", json={"hours": [interval]}),
            service.put("/v1/stores/a/timezone", json={"timezone": "Asia/Seoul"}),
        ):
            assert answer.status_code == 200, answer.json()
        assert not any(upload().values())
    for kind, (_, _, after_one, _) in CONTRADICTIONS.items():
        assert read(database_url, kind) == after_one


# Files with rejected rows, and what the file of another kind makes valid.
REJECTED = {
    "zones": [ZONES, "a,UTC", "b,Mars/Crater", "c", "d,UTC", "e,UTC"],
    "odd zones": [ZONES, "a,UTC", "NULL,UTC"],
    "directory": ["store_id,name,timezone", "a,A,Mars/Crater", "b,B,UTC"],
    "total": ["store_id,name", "Total,2", "a,A"],
    "hours": [HOURS, "a,0,01:00,02:00", "b,9,01:00,02:00"],
    "polls": [POLLS_HEADER, f"a,active,{AT}", f"b,odd,{AT}", "a,active,2024-09-02 00:00:00"],
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_file_with_rejected_rows_is_skipped_whatever_its_kind(
    database_url: str, tmp_path: Path, name: str
) -> None:
    lines = REJECTED[name]
    first = load(database_url, tmp_path / "first.csv", lines)
    assert (first.state, first.rejected > 0) == ("succeeded", True)
    (planned,) = plan_paths(database_url, [str(tmp_path / "first.csv")])
    again = load(database_url, tmp_path / "again.csv", lines)
    assert (again.same_as, counts(again)) == (first.id, NOTHING)
    assert (planned.same_as, counts(planned), planned.first_load) == (first.id, NOTHING, again.first_load)


def test_a_file_is_loaded_again_once_a_rejected_row_may_be_valid(database_url: str, tmp_path: Path) -> None:
    polls = [f"{POLLS_HEADER},reason", f"a,active,{AT},oven_broken", f"b,active,{AT},"]
    zones = [ZONES, "a,UTC", "b,Mars/Crater"]
    odd = [ZONES, "c,UTC", "NULL,UTC"]
    for number in range(2):
        for name, lines in (("polls", polls), ("zones", zones), ("odd", odd)):
            load(database_url, tmp_path / f"{name}-{number}.csv", lines)
    with psycopg.connect(database_url) as conn:
        conn.execute("insert into reason (word) values ('oven_broken')")
        # As if the zone's name had been unknown to the release before.
        conn.execute("update import_reject set raw = 'b,Asia/Tokyo' where raw = 'b,Mars/Crater'")
    again = load(database_url, tmp_path / "polls.csv", polls)
    assert (again.same_as, counts(again)) == (None, (1, 1, 0, 0))
    again = load(database_url, tmp_path / "zones.csv", zones)
    assert (again.same_as, again.rejected) == (None, 1)
    (tmp_path / "odd.csv").write_text("\n".join(odd) + "\n")
    limits = Limits(allow_odd_ids=True)
    (allowed,) = ingest_paths(database_url, [str(tmp_path / "odd.csv")], options=LoadOptions(limits=limits))
    assert (allowed.same_as, counts(allowed)) == (None, (1, 1, 0, 0))


def test_a_dry_run_predicts_the_skip_of_polls_in_an_archive(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(
        pack({"polls.csv": f"{POLLS_HEADER}\na,active,{AT}\n", "zones.csv": f"{ZONES}\na,UTC\n"})
    )
    loaded = ingest_paths(database_url, [str(tmp_path / "all.zip")])
    planned = plan_paths(database_url, [str(tmp_path / "all.zip")])
    again = ingest_paths(database_url, [str(tmp_path / "all.zip")])
    assert [one.same_as for one in planned] == [one.same_as for one in again] == [one.id for one in loaded]
    assert [counts(one) for one in planned] == [NOTHING, NOTHING]


def test_a_file_with_rejected_future_polls_is_loaded_again(database_url: str, tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    lines = [POLLS_HEADER, f"a,active,{AT}", f"a,active,{soon:%Y-%m-%d %H:%M:%S} UTC"]
    first = load(database_url, tmp_path / "polls.csv", lines)
    again = load(database_url, tmp_path / "polls.csv", lines)
    assert counts(first) == (1, 0, 0, 1)
    assert counts(again) == (0, 1, 0, 1)

"""A dry run tells what a load would give, exactly, and changes nothing: no row, no number, no file in the spool."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ingest.parse.days import FROM_ZERO
from services.ingest.parse.reading import Reading
from services.ingest.quality_warnings import list_warnings
from services.ingest.run import Limits, LoadOptions, dry_run, ingest_paths, plan_paths
from services.ingest.show_plan import list_plans
from services.ingest.write.import_result import ImportResult
from shared.db.connect import connect
from tests.integration.ingest.database import check_ledger, counts, unchanged


def by_name(results: list[ImportResult]) -> dict[str, ImportResult]:
    return {Path(one.source).name: one for one in results}


def plan_of(result: ImportResult) -> dict[str, Any]:
    plan: Any = (result.quality or {})["plan"]
    return dict(plan)


def test_it_gives_what_a_load_gives(database_url: str, folder: Path) -> None:
    with unchanged(database_url):
        plans = plan_paths(database_url, [str(folder)])
    results = ingest_paths(database_url, [str(folder)])
    assert [one.source for one in plans] == [one.source for one in results]
    planned, loaded = by_name(plans), by_name(results)
    for name, one in loaded.items():
        told = planned[name]
        assert (told.state, told.kind, counts(told)) == (one.state, one.kind, counts(one)), name
        assert [each.line for each in told.first_rejects] == [each.line for each in one.first_rejects]
        assert (told.id, told.error) == (None, one.error)
    check_ledger(database_url)


def test_it_releases_only_what_it_holds(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str | None] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            warnings.append(notice.message_primary)

    @contextmanager
    def listen(*args: Any, **more: Any) -> Iterator[psycopg.Connection]:
        with connect(*args, **more) as conn:
            conn.add_notice_handler(note)
            yield conn

    monkeypatch.setattr(dry_run, "connect", listen)
    assert len(plan_paths(database_url, [str(folder)])) > 10
    assert warnings == []


def test_it_tells_stores_dates_and_what_would_be_lost(database_url: str, folder: Path) -> None:
    # A refused file would hold the others back.
    (folder / "text.csv").unlink()
    planned = by_name(plan_paths(database_url, [str(folder)]))
    assert plan_of(planned["polls1.csv"]) == {
        "stores": 2,
        "new_stores": 1,
        "new_stores_list": ["e"],
        "first_date": "2024-09-02",
        "last_date": "2024-09-03",
    }
    removed = [plan_of(planned[name])["rows_removed"] for name in ("hours1.csv", "hours2.csv")]
    assert sorted(removed) == [0, 3]
    dated = plan_of(planned["hours2.csv"])
    assert (dated["stores"], dated["first_date"]) == (2, "2025-03-01")
    special = plan_of(planned["special2.csv"])
    assert (special["first_date"], special["last_date"]) == ("2024-12-24", "2024-12-24")
    shrunk: Any = planned["hours1.csv"].quality or {}
    assert [store["store_id"] for store in shrunk["stores_shrunk_list"]] == ["a"]
    assert planned["closures1.csv"].accepted == 1


def test_polls_are_compared_chunk_by_chunk(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    rows = [
        f"store-{n % 7},active,2024-09-{1 + n % 28:02} {n % 24:02}:00:{n % 60:02} UTC" for n in range(900)
    ]
    file.write_text("\n".join(["store_id,status,timestamp_utc", *dict.fromkeys(rows)]) + "\n")
    small = Limits(chunk_bytes=4096)
    with unchanged(database_url):
        (planned,) = plan_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    (loaded,) = ingest_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    assert counts(planned) == counts(loaded)
    with unchanged(database_url):
        (same,) = plan_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    assert (same.same_as, counts(same)) == (loaded.id, (0, 0, 0, 0))
    file.write_text(f"{file.read_text()}\n")
    with unchanged(database_url):
        (again,) = plan_paths(database_url, [str(file)], options=LoadOptions(limits=small))
    assert counts(again) == (0, loaded.accepted, 0, 0)


def test_polls_are_doubted_as_by_a_load(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    rows = [
        "caf\u00e9,on,2024-09-02 00:00:00",
        "#b,On,2024-09-02 00:00:00",
        "c,maintenance,2024-09-02 00:00:00",
    ]
    text = "\n".join(["store_id,status,timestamp_utc,channel", *(f"{row},web" for row in rows), ""])
    file.write_bytes(text.encode("cp1252"))
    options = LoadOptions(limits=Limits(), reading=Reading.parse("on=active"))
    (planned,) = plan_paths(database_url, [str(file)], options=options)
    (loaded,) = ingest_paths(database_url, [str(file)], options=options)
    warnings = list(list_warnings(planned.quality or {}))
    assert warnings == list(list_warnings(loaded.quality or {}))
    for words in (
        "Windows-1252",
        "read as UTC: 2",
        "mapping on=active",
        "maintenance=…",
        "'#b'",
        "'channel'",
    ):
        assert words in "\n".join(warnings)


def test_a_file_that_would_be_stopped(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    file.write_text("store_id,status,timestamp_utc\na,open,2024-09-02 00:00:00 UTC\n")
    with unchanged(database_url):
        (planned,) = plan_paths(database_url, [str(file)])
    (loaded,) = ingest_paths(database_url, [str(file)])
    assert (planned.state, planned.error) == (loaded.state, loaded.error)
    assert [each.line for each in planned.first_rejects] == [2]


def test_a_file_tells_what_its_own_stores_lose(database_url: str, tmp_path: Path) -> None:
    header = "store_id,day,open,close\n"
    before = "".join(f"{store},{day},09:00,17:00\n" for store in "ab" for day in range(3))
    (tmp_path / "before.csv").write_text(header + before)
    ingest_paths(database_url, [str(tmp_path / "before.csv")])
    files = {
        "1.csv": "a,0,09:00,17:00\na,1,09:00,17:00\na,2,09:00,17:00\n",
        "2.csv": "b,0,09:00,17:00\nb,1,09:00,17:00\n",
    }
    for name, rows in files.items():
        (tmp_path / name).write_text(header + rows)
    planned = plan_paths(database_url, [str(tmp_path / name) for name in files])
    assert [plan_of(one)["rows_removed"] for one in planned] == [0, 1]
    removed = [line.rpartition(", ")[2] for line in list_plans(planned)]
    assert removed == ["0 stored rows removed", "1 stored row removed"]


def test_only_the_file_that_leaves_its_numbers_unclear_is_warned_of(
    database_url: str, tmp_path: Path
) -> None:
    header = "store_id,day,open,close\n"
    (tmp_path / "names.csv").write_text(f"{header}a,Mon,09:00,17:00\na,Tue,09:00,17:00\n")
    (tmp_path / "neither.csv").write_text(header + "".join(f"b,{day},09:00,17:00\n" for day in range(1, 6)))
    paths = [str(tmp_path / name) for name in ("names.csv", "neither.csv")]
    for results in (plan_paths(database_url, paths), ingest_paths(database_url, paths)):
        warned = [
            any(FROM_ZERO in warning for warning in list_warnings(one.quality or {})) for one in results
        ]
        assert warned == [False, True]

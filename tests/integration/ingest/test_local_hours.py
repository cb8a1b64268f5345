"""Opening hours and time zones: replaced at the end of the file, and counted when they are loaded again."""

from pathlib import Path

import psycopg
import pytest

from services.ingest.run import LoadOptions, ingest_paths
from services.ingest.write import wanted_hours
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import counts, load

HOURS = "store_id,dayOfWeek,start_time_local,end_time_local"
ZONES = "store_id,timezone_str"


def hours(database_url: str) -> set[tuple[str, int, int, int]]:
    with psycopg.connect(database_url) as conn:
        return set(
            conn.execute(
                "select store_id, day_of_week, opens, closes from business_hours join store using (store_key)"
            ).fetchall()
        )


def zones(database_url: str) -> dict[str, str | None]:
    with psycopg.connect(database_url) as conn:
        return dict(conn.execute("select store_id, timezone from store").fetchall())


def test_hours_are_replaced_for_every_store_the_file_names(database_url: str, tmp_path: Path) -> None:
    rows = [HOURS, "007,0,09:00:00,12:00:00", "007,0,13:00,23:59:59", "b,6,22:00:00,02:00:00"]
    first = load(database_url, tmp_path / "hours.csv", rows)
    assert counts(first) == (3, 0, 0, 0)
    loaded = {("007", 0, 32400, 43200), ("007", 0, 46800, 86399), ("b", 6, 79200, 7200)}
    assert hours(database_url) == loaded

    again = load(database_url, tmp_path / "again.csv", [*rows, ""], chunk_bytes=30)
    assert counts(again) == (0, 3, 0, 0)
    assert hours(database_url) == loaded

    changed = [
        HOURS,
        "007,0,09:00:00,12:00:00",
        "007,1,09:00:00,12:00:00",
        "007,1,09:00,12:00",
        "c,2,00:00,00:00",
    ]
    assert counts(load(database_url, tmp_path / "hours.csv", changed)) == (2, 2, 0, 0)
    kept = {("007", 0, 32400, 43200), ("007", 1, 32400, 43200), ("b", 6, 79200, 7200), ("c", 2, 0, 0)}
    assert hours(database_url) == kept


def test_bad_hours_are_rejected_with_the_other_rows_of_their_store(database_url: str, tmp_path: Path) -> None:
    bad = [("a,8,09:00,12:00", "day"), ("b,Mo,09:00,12:00", "day"), ("c,0,24:00,12:00", "time")]
    bad += [
        ("d,0,09:00,9pm", "time"),
        ("e,0,09:60,10:00", "time"),
        (",0,09:00,10:00", "no_id"),
        ("f,0", "columns"),
    ]
    others = [f"{store},1,09:00,10:00" for store in "abcdefg"]
    result = load(database_url, tmp_path / "hours.csv", [HOURS, *(row for row, _ in bad), *others])
    assert counts(result) == (1, 0, 0, len(bad) + 6)
    assert hours(database_url) == {("g", 1, 32400, 36000)}
    with psycopg.connect(database_url) as conn:
        reasons = conn.execute("select reason from import_reject order by line").fetchall()
    assert [reason for (reason,) in reasons] == [reason for _, reason in bad] + ["store_incomplete"] * 6


def test_the_last_time_zone_wins_and_an_unknown_one_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    rows = [ZONES, "a,America/Chicago", "b,Asia/Kolkata", "b,Asia/Kolkata", "b,Asia/Kathmandu", "d,EST5"]
    result = load(database_url, tmp_path / "zones.csv", rows)
    assert counts(result) == (2, 1, 1, 1)
    assert result.first_rejects[0].reason == "timezone"
    assert zones(database_url) == {"a": "America/Chicago", "b": "Asia/Kathmandu"}

    again = load(database_url, tmp_path / "zones.csv", [ZONES, "a,Mars/Base", "b,UTC", "a,America/Chicago"])
    assert counts(again) == (0, 0, 1, 2)
    assert zones(database_url) == {"a": "America/Chicago", "b": "UTC"}


def test_a_folder_loads_time_zones_and_hours_before_polls(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "a_polls.CSV").write_bytes(
        b"\xef\xbb\xbfstore_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC"
    )
    (tmp_path / "b_hours.csv").write_text(HOURS + "\na,0,09:00,10:00")
    (tmp_path / "c_zones.csv").write_text(ZONES + "\na,UTC")
    (tmp_path / "d_other.csv").write_text("x,y\n1,2\n")
    (tmp_path / "notes.txt").write_text("not loaded")
    seen: list[str] = []
    results = ingest_paths(
        database_url,
        [str(tmp_path)],
        options=LoadOptions(on_progress=lambda progress: seen.append(progress.source)),
    )
    assert [result.kind for result in results] == ["timezones", "hours", "polls", None]
    # The other file may hold the other half of the hours.
    assert [result.state for result in results] == ["failed", "failed", "succeeded", "failed"]
    assert [result.is_held for result in results] == [True, True, False, False]
    assert results[-1].error is not None
    assert "store_id,status,timestamp_utc" in results[-1].error
    assert [Path(source).name for source in seen] == ["c_zones.csv", "b_hours.csv", "a_polls.CSV"]


@pytest.mark.parametrize("rows_at_once", [1, 3, 50_000])
def test_hours_applied_in_steps_are_those_applied_at_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(wanted_hours, "_ROWS_AT_ONCE", rows_at_once)
    before = [HOURS, *(f"s{n},{day},09:00,21:00" for n in range(5) for day in range(3))]
    load(database_url, tmp_path / "before.csv", before)
    # Store 0 stays, 1 shrinks, 2 gets other times, 3 a further day, 4 is not named, and 5 is new.
    after = [HOURS, *(f"s0,{day},09:00,21:00" for day in range(3)), "s1,0,09:00,10:00"]
    after += [f"s2,{day},10:00,21:00" for day in range(3)]
    after += [f"s3,{day},09:00,21:00" for day in (0, 1, 2, 6)]
    after += ["s5,6,09:00,21:00", "s5,6,09:00,21:00"]
    (tmp_path / "after.csv").write_text("\n".join(after) + "\n")
    seen: list[tuple[int, int]] = []
    options = LoadOptions(
        on_progress=lambda progress: seen.append((progress.rows_applied, progress.rows_to_apply))
    )
    (result,) = ingest_paths(database_url, [str(tmp_path / "after.csv")], options=options)
    assert counts(result) == (6, 7, 0, 0)
    assert result.quality is not None
    assert result.quality["stores_shrunk_list"] == [
        {"store_id": "s1", "hours_before": 36.0, "hours_after": 1.0}
    ]
    expected = {(f"s{n}", day, 32400, 75600) for n in (0, 3, 4) for day in range(3)}
    expected |= {("s2", day, 36000, 75600) for day in range(3)}
    expected |= {("s1", 0, 32400, 36000), ("s3", 6, 32400, 75600), ("s5", 6, 32400, 75600)}
    assert hours(database_url) == expected
    with psycopg.connect(database_url) as conn:
        gone = conn.execute(
            "select store_id, count(*) from superseded_hours join store using (store_key) group by 1 order by 1"
        ).fetchall()
    assert gone == [("s1", 3), ("s2", 3)]
    applied = [done for done, total in seen if total == 12]
    assert applied == sorted(applied)
    assert applied[-1] == 12
    assert len(applied) == {1: 5, 3: 4, 50_000: 1}[rows_at_once]


def test_the_rows_that_hold_a_store_back_are_shown_first(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text("\n".join([HOURS, *(f"a,{day},09:00,10:00" for day in range(5)), "a,9,09:00,10:00", ""]))
    for more in (["--dry-run"], []):
        told = run_ingest(database_url, str(file), *more).stderr.decode().splitlines()
        shown = [line.removeprefix(f"{file} line ").split(": ")[:2] for line in told if " line " in line][:5]
        causes = [["7", "day"]]
        assert shown == causes + [[str(line), "store_incomplete"] for line in range(2, 6)]
        assert any(f"{file}: and 1 more rejected row" in line for line in told)
        assert not any("1 more rejected rows" in line for line in told)

"""Hours with a date that replace others: what is gone is counted, and stores with far shorter hours are named."""

from pathlib import Path
from typing import Any

from services.ingest.quality_warnings import list_warnings
from services.ingest.run import ingest_paths, plan_paths
from tests.integration.ingest.database import load

HEADER = "store_id,day_of_week,start_time_local,end_time_local,effective_from"


def dated(store: str, days: range, start: str, closes: str = "17:00") -> list[str]:
    return [f"{store},{day},09:00,{closes},{start}" for day in days]


def lost(database_url: str, *files: Path) -> list[tuple[Any, Any]]:
    """Return what a dry run says is removed and shrinks, and check that the load says the same."""
    paths = [str(file) for file in files]
    planned: list[Any] = plan_paths(database_url, paths)
    loaded = ingest_paths(database_url, paths)
    assert [one.quality.get("stores_shrunk_list") for one in planned] == [
        (one.quality or {}).get("stores_shrunk_list") for one in loaded
    ]
    return [
        (one.quality["plan"]["rows_removed"], one.quality.get("stores_shrunk_list", [])) for one in planned
    ]


def write(file: Path, *rows: str) -> Path:
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    return file


def test_fewer_openings_of_the_same_date(database_url: str, tmp_path: Path) -> None:
    before = [*dated("a", range(4), "2024-10-29"), *dated("b", range(4), "2024-10-29")]
    load(database_url, tmp_path / "before.csv", [HEADER, *before])
    after = write(tmp_path / "after.csv", "a,0,09:00,10:00,2024-10-29", *dated("b", range(3), "2024-10-29"))
    ((removed, shrunk),) = lost(database_url, after)
    assert removed == 5
    assert shrunk == [
        {"store_id": "a", "hours_before": 32.0, "hours_after": 1.0, "effective_from": "2024-10-29"}
    ]
    assert [*list_warnings({"stores_shrunk": 1, "stores_shrunk_list": shrunk})] == [
        "store a is open 1 h a week from 2024-10-29 on; it was 32 h"
    ]
    ((removed, shrunk),) = lost(database_url, write(tmp_path / "again.csv", "a,0,09:00,10:00,2024-10-29", ""))
    assert (removed, shrunk) == (0, [])


def test_a_new_date_is_compared_with_what_held_before_it(database_url: str, tmp_path: Path) -> None:
    load(
        database_url,
        tmp_path / "before.csv",
        [
            HEADER,
            *dated("dated", range(4), "2024-10-01"),
            *dated("weekly", range(4), ""),
            *dated("later", range(4), "2024-12-01"),
        ],
    )
    rows = [f"{store},6,22:00,02:00,2024-11-01" for store in ("dated", "weekly", "later", "new")]
    ((removed, shrunk),) = lost(database_url, write(tmp_path / "after.csv", *rows))
    assert removed == 0
    assert {one["store_id"] for one in shrunk} == {"dated", "weekly"}
    assert {(one["hours_before"], one["hours_after"]) for one in shrunk} == {(32.0, 4.0)}


def test_each_file_of_a_delivery_counts_what_its_stores_lose(database_url: str, tmp_path: Path) -> None:
    rows = [*dated("a", range(3), "2024-10-29"), *dated("b", range(3), "2024-10-29")]
    load(database_url, tmp_path / "before.csv", [HEADER, *rows])
    files = [
        write(tmp_path / "1.csv", *dated("a", range(3), "2024-10-29")),
        write(tmp_path / "2.csv", *dated("b", range(2), "2024-10-29")),
    ]
    assert [removed for removed, _ in lost(database_url, *files)] == [0, 1]

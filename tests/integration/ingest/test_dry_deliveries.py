"""A dry run of several files tells what a load of them gives, also if they contradict or repeat each other."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.ingest.quality_warnings import list_warnings
from services.ingest.run import Limits, LoadOptions, ingest_paths, plan_paths
from services.ingest.write.import_result import ImportResult
from tests.integration.ingest.database import check_ledger, counts, unchanged

HEADERS = {
    "zones": "store_id,timezone_str",
    "hours": "store_id,day,start_time_local,end_time_local",
    "dated": "store_id,day,start_time_local,end_time_local,effective_from",
    "special": "store_id,date,start_time_local,end_time_local",
    "lifetimes": "store_id,opened_at,closed_at",
    "closures": "store_id,starts_at,ends_at,treatment,reason,note",
    "stores": "store_id,name,timezone,opened_at,region",
    "polls": "store_id,status,timestamp_utc",
}
# By kind: the rows of two files that contradict each other.
ROWS = {
    "zones": ["a,Europe/Berlin\nb,UTC", "a,Europe/Paris\nc,UTC"],
    "hours": ["a,0,9:00,17:00\nb,0,9:00,17:00", "a,0,9:00,12:00\na,1,9:00,17:00"],
    "dated": ["a,0,9:00,17:00,2025-03-01", "a,0,9:00,12:00,2025-03-01\nb,0,9:00,12:00,2025-03-01"],
    "special": ["a,2025-03-01,9:00,12:00\nb,2025-03-01,,", "a,2025-03-01,13:00,15:00\nb,2025-03-01,9:00,10:00"],
    "lifetimes": ["a,2024-05-01T00:00:00Z,\nb,2024-05-01T00:00:00Z,", "a,2024-06-01T00:00:00Z,"],
    "closures": [
        "a,2024-10-20T21:00:00Z,,exclude,,\n*,2024-10-20T21:00:00Z,,exclude,,",
        "a,2024-10-20T21:00:00Z,2024-10-21T21:00:00Z,exclude,,",
    ],
    "stores": ["a,Alpha,UTC,2024-05-01T00:00:00Z,north", "a,Alpha,UTC,2024-05-01T00:00:00Z,south\nb,Bravo,UTC,,"],
    "polls": [
        "a,active,2024-09-02 00:00:00 UTC\na,active,2024-09-02 01:00:00 UTC",
        "a,inactive,2024-09-02 00:00:00 UTC\na,active,2024-09-02 01:00:00 UTC\nb,active,2024-09-02 00:00:00 UTC",
    ],
}  # fmt: skip
SMALL = LoadOptions(limits=Limits(chunk_bytes=256))


def told(result: ImportResult) -> tuple[object, ...]:
    quality = result.quality or {}
    return (
        Path(result.source).name,
        result.state,
        result.kind,
        counts(result),
        [each.line for each in result.first_rejects],
        [warning for warning in list_warnings(quality) if "the same bytes" not in warning],
        quality.get("rejects") or {},
    )


def check(database_url: str, files: Sequence[Path], options: LoadOptions = SMALL) -> list[ImportResult]:
    paths = [str(file) for file in files]
    with unchanged(database_url):
        planned = plan_paths(database_url, paths, options=options)
    loaded = ingest_paths(database_url, paths, options=options)
    assert [told(one) for one in planned] == [told(one) for one in loaded]
    check_ledger(database_url)
    return loaded


def write(folder: Path, kind: str, name: str, rows: str) -> Path:
    file = folder / f"{kind}-{name}.csv"
    file.write_text(f"{HEADERS[kind]}\n{rows}\n")
    return file


@pytest.mark.parametrize("kind", HEADERS)
def test_two_files_that_contradict_each_other(database_url: str, tmp_path: Path, kind: str) -> None:
    first, second = ROWS[kind]
    files = [write(tmp_path, kind, name, rows) for name, rows in (("1", first), ("2", second), ("3", first))]
    check(database_url, files)
    check(database_url, [files[1], files[0]])
    check(database_url, [files[0], files[2], files[1]])


def test_files_of_all_kinds(database_url: str, tmp_path: Path) -> None:
    files = [
        write(tmp_path, kind, str(place), rows)
        for kind, some in ROWS.items()
        for place, rows in enumerate(some)
    ]
    check(database_url, files)
    check(database_url, files[::-1])


def test_polls_that_files_repeat_far_apart(database_url: str, tmp_path: Path) -> None:
    def rows(first: int, end: int, bad: int) -> str:
        return "\n".join(
            f"s{n % 7},{'in' if n % bad == 0 else ''}active,2024-09-{1 + n % 28:02} {n % 24:02}:00:00 UTC"
            for n in range(first, end)
        )

    files = [
        write(tmp_path, "polls", str(place), rows(*some))
        for place, some in enumerate([(0, 500, 5), (100, 700, 4), (0, 300, 3)])
    ]
    first, second, third = check(database_url, files)
    assert min(first.duplicate, first.corrected, second.corrected, third.corrected) > 0
    check(database_url, files[:2])


def test_a_copy_of_polls_that_is_skipped(database_url: str, tmp_path: Path) -> None:
    copies = [write(tmp_path, "polls", name, ROWS["polls"][0]) for name in "12"]
    planned = plan_paths(database_url, [str(file) for file in copies])
    assert counts(planned[1]) == (0, 0, 0, 0)
    assert any(f"the same bytes as {copies[0]}" in line for line in list_warnings(planned[1].quality or {}))
    check(database_url, copies)

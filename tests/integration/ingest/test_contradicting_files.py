"""Files of one delivery that say different things of the same fact: the last one counts, and a warning names both."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from services.ingest.quality_warnings import list_warnings
from services.ingest.run import ingest_paths, plan_paths
from tests.integration.ingest.deliveries import Deliver, table
from tests.integration.ingest.test_dry_deliveries import HEADERS

# The files by name, the one that counts, and parts of the warning.
CASES = {
    "zones": (
        {"1.csv": ("zones", "a,Europe/Berlin"), "2.csv": ("zones", "a,UTC\nb,UTC")},
        "2.csv",
        ["1 store has another time zone in", "1.csv", "'a' (UTC here, Europe/Berlin there)"],
    ),
    "lifetimes": (
        {
            "1.csv": ("lifetimes", "a,2024-05-01T00:00:00Z,\nb,2024-05-01T00:00:00Z,"),
            "2.csv": ("lifetimes", "a,2024-06-01T00:00:00Z,\nb,2024-05-01T00:00:00Z,2025-05-01T00:00:00Z"),
        },
        "2.csv",
        ["2 stores have another lifetime", "1.csv", "'a' (opened 2024-06-01 00:00 UTC here, opened 2024-05-01 00:00 UTC there)"],
    ),
    "closures": (
        {
            "1.csv": ("closures", "a,2024-10-20T21:00:00Z,,exclude,,\n*,2024-10-20T21:00:00Z,,exclude,,"),
            "2.csv": ("closures", "*,2024-10-20T21:00:00Z,,as_up,,\na,2024-10-20T21:00:00Z,,exclude,,"),
        },
        "2.csv",
        ["1 store has other terms of a closure in", "1.csv", "'*' (as_up until further notice here, exclude until further notice there)"],
    ),
    "a directory beside zones": (
        {"1.csv": ("stores", "a,Alpha,UTC,,"), "2.csv": ("zones", "a,Europe/Berlin")},
        "1.csv",
        ["1 store has another time zone in", "2.csv", "'a' (UTC here, Europe/Berlin there)"],
    ),
    "a directory beside lifetimes": (
        {"1.csv": ("stores", "a,Alpha,,2024-06-01T00:00:00Z,"), "2.csv": ("lifetimes", "a,2024-05-01T00:00:00Z,")},
        "1.csv",
        ["1 store has another lifetime in", "2.csv", "'a' (opened 2024-06-01 00:00 UTC here, opened 2024-05-01 00:00 UTC there)"],
    ),
}  # fmt: skip
AGREEING = {
    "1.csv": ("zones", "a,Europe/Berlin"),
    "2.csv": ("zones", "a,Europe/Berlin\nb,UTC"),
    "3.csv": ("lifetimes", "a,,2025-05-01T00:00:00Z"),
    "4.csv": ("stores", "a,Alpha,Europe/Berlin,2024-05-01T00:00:00Z,north"),
}


def texts(files: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: table(rows, header=HEADERS[kind]) for name, (kind, rows) in files.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_warning_names_both_files_and_which_one_counts(deliver: Deliver, case: str) -> None:
    files, _, words = CASES[case]
    _, warnings = deliver(texts(files))
    (found,) = [warning for warning in warnings if "of the same delivery" in warning]
    assert [word for word in words if word not in found] == []
    assert "this file counts, because it is loaded last" in found


def test_files_that_agree_are_not_warned_of(deliver: Deliver) -> None:
    _, warnings = deliver(texts(AGREEING))
    assert not any("of the same delivery" in warning for warning in warnings)


def write(folder: Path, files: dict[str, tuple[str, str]]) -> list[str]:
    for name, text in texts(files).items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in files]


def warned(database_url: str, paths: Sequence[str]) -> tuple[str, list[str]]:
    """Load, and return the zone of the store a, and the files that were warned of."""
    planned = plan_paths(database_url, paths)
    loaded = ingest_paths(database_url, paths)
    for results in (planned, loaded):
        found = [
            Path(one.source).name
            for one in results
            if "of the same delivery" in "\n".join(list_warnings(one.quality or {}))
        ]
    with psycopg.connect(database_url) as conn:
        ((zone,),) = conn.execute("select timezone from store where store_id = 'a'").fetchall()
    return zone, found


@pytest.mark.parametrize("case", CASES)
def test_the_warning_stands_at_the_file_that_counts(database_url: str, tmp_path: Path, case: str) -> None:
    files, last, _ = CASES[case]
    assert warned(database_url, write(tmp_path, files))[1] == [last]


def test_the_last_argument_counts_also_if_its_bytes_were_loaded_before(
    database_url: str, tmp_path: Path
) -> None:
    first, second = write(tmp_path, CASES["zones"][0])
    ingest_paths(database_url, [first])
    assert warned(database_url, [first, second]) == ("UTC", ["2.csv"])
    ingest_paths(database_url, [second])
    assert warned(database_url, [second, first]) == ("Europe/Berlin", ["1.csv"])
    assert warned(database_url, [first, second]) == ("UTC", ["2.csv"])
    assert warned(database_url, [second, first]) == ("Europe/Berlin", ["1.csv"])

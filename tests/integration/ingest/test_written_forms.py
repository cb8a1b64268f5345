"""Forms that can only mean one thing are read: by the command and by HTTP alike."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from services.ingest.parse.local_hours import parse_hours
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import POLLS_HEADER, observations
from tests.integration.ingest.service import ended, ingest_service

Load = Callable[[str], str]


@pytest.fixture(params=["command", "http"])
def load(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Load]:
    """Load one text, and return what was answered."""
    if request.param == "command":
        path = tmp_path / "file.csv"

        def by_command(text: str) -> str:
            path.write_text(text, newline="")
            return run_ingest(database_url, str(path)).stderr.decode()

        yield by_command
    else:
        with ingest_service(database_url, tmp_path / "spool") as client:
            yield lambda text: str(ended(client, client.post("/v1/imports", content=text.encode())))


@pytest.mark.parametrize(
    "start", ["{}", "sep={0}\r\n{{}}", '\ufeff"sep={0}"\n{{}}'], ids=["header", "sep", "quoted"]
)
@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(load: Load, database_url: str, separator: str, start: str) -> None:
    rows = [POLLS_HEADER, "a,active,2024-09-02 00:00:00 UTC", '"b",inactive,2024-09-02 00:00:00 UTC', "c,x"]
    text = "\n".join(rows).replace(",", separator)
    load(start.format(separator).format(text) if "{0}" in start else text)
    assert observations(database_url) == {
        ("a", "2024-09-02 00:00:00.000000"): True,
        ("b", "2024-09-02 00:00:00.000000"): False,
    }


def test_instants_and_names_of_columns(load: Load, database_url: str) -> None:
    instants = [
        "2024-09-02 00:00 GMT",
        "2024-09-02t01:00:00z",
        "2024-09-02 02:00:00 utc",
        "2024-09-02T05:00+02:00",
    ]
    load("\n".join(["storeId,Status,timestamp", *(f"a,active,{text}" for text in instants)]))
    hours = [f"2024-09-02 0{hour}:00:00.000000" for hour in range(4)]
    assert sorted(at for _, at in observations(database_url)) == hours


def test_hours_and_zones(load: Load, database_url: str) -> None:
    load(
        "StoreID;weekday;Open;close;start_time\na;Mon;9.00;24:00;x\na;tuesday;9:00 AM;9:30 pm;x\n".replace(
            ";start_time", ";note"
        )
    )
    load("store_id,tz\na,america/new york\n")
    with psycopg.connect(database_url) as conn:
        found = conn.execute("select day_of_week, opens, closes from business_hours order by 1").fetchall()
        assert found == [(0, 32400, 0), (1, 32400, 77400)]
        assert conn.execute("select timezone from store").fetchone() == ("America/New_York",)


@pytest.mark.parametrize(
    ("opens", "closes", "seconds"),
    [
        ("9:00", "21:00", (32400, 75600)),
        ("9:00:00", "24:00:00", (32400, 0)),
        ("12:00 AM", "12:00 PM", (0, 43200)),
        ("9.30", "09:00:00.000", (34200, 32400)),
        ("24:00", "09:00", None),
        ("9:00", "24:01", None),
        ("13:00 PM", "14:00", None),
        ("9", "10:00", None),
        ("9:5", "10:00", None),
    ],
)
def test_times_of_day(opens: str, closes: str, seconds: tuple[int, int] | None) -> None:
    parsed = parse_hours("0", opens, closes)
    assert parsed == "time" if seconds is None else (parsed["opens"], parsed["closes"]) == seconds  # type: ignore[index]

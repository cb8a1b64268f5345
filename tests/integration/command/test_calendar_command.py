"""`uptill calendars` against the real ingest service: every subcommand."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.local.ports import HOST, free_ports
from tests.fixtures.services import Services, answers, wait_until

Calendars = Callable[..., str]


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    extra = {"UPTILL_INGEST_URL": url, "UPTILL_SPOOL_DIR": str(tmp_path / "spool"), "COLUMNS": "200"}
    with Services({**env, **extra}, tmp_path) as services:
        services.start("uvicorn", "--factory", "services.ingest.http.main:create_app", f"--port={port}")
        wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")
        yield services


@pytest.fixture
def calendars(services: Services) -> Calendars:
    def run(*arguments: str) -> str:
        done = services.run("calendars", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_dates_files_and_holidays(services: Services, calendars: Calendars, tmp_path: Path) -> None:
    calendars("set", "us", "2024-12-25", "2024-12-24=10:00-14:00,16:00-18:00", "--label", "country=us")
    assert "country=us" in calendars("list")
    assert "10:00:00-14:00:00, 16:00:00-18:00:00" in calendars("show", "us")
    assert json.loads(calendars("show", "us", "--json"))["date_count"] == 2
    assert services.run("calendars", "set", "us", "2024-12-24=10:00").returncode == 2
    calendars("remove", "us")
    assert json.loads(calendars("list", "--json")) == []
    file = tmp_path / "closed.ICS"
    file.write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20241225\nEND:VEVENT\nEND:VCALENDAR\n")
    made = json.loads(calendars("set", "us", str(file), "--label", "country=us", "--json"))
    assert ([one["date"] for one in made["dates"]], made["labels"]) == (["2024-12-25"], {"country": "us"})
    holidays = ("add", "us", "--country", "united states", "--years", "2024", "--label", "country=us")
    shown = calendars(*holidays, "--dry-run")
    for text in ("2024-07-04", "Independence Day", "closed"):
        assert text in shown
    assert json.loads(calendars("show", "us", "--json"))["date_count"] == 1
    assert json.loads(calendars(*holidays, "--json"))["date_count"] == 11
    texas = json.loads(calendars(*holidays, "--subdivision", "tx", "--json"))
    assert texas["date_count"] > 11
    for wrong, told in (
        (("set", "us", str(file), "2024-12-25"), "either dates or one .ics file"),
        (("set", "us", str(tmp_path / "none.ics")), "none.ics"),
        (("add", "us", "--country", "Germny"), "DE (germany)"),
        (("add", "us", "--country", "US", "--subdivision", "Texs"), "TX (texas)"),
        (("add", "us", "--country", "US", "--years", "24"), "2000 to 2100"),
        (("add", "us", "--country", "US", "--years", "2001-2030"), "at most 20"),
    ):
        refused = services.run("calendars", *wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert told in refused.stderr
    calendars("remove", "us")

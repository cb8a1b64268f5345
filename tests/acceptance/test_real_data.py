"""The published data sets, where they lie beside the checkout: command, API and worker against the oracle."""

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.services import Services
from tests.oracle.report import expected_csv

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the published data is not beside this checkout")


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    with Services(env, tmp_path) as services:
        services.api()
        services.worker()
        services.scheduler()
        yield services


def report(services: Services, folder: Path) -> bytes:
    """Ingest a folder, make a report, and return its bytes."""
    ingested = services.run("ingest", str(folder))
    assert ingested.returncode == 0, ingested.stderr
    made = services.run("report", "-o", str(folder / "report.csv"))
    assert made.returncode == 0, made.stderr
    return (folder / "report.csv").read_bytes()


@pytest.mark.timeout(600)
def test_2025_real_hours_and_zones_with_1_850_000_polls(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "2025"
    folder.mkdir()
    for name in ("menu_hours.csv", "timezones.csv"):
        shutil.copyfile(DATA / "2025" / name, folder / name)
    polls = folder / "polls.csv"
    with gzip.open(DATA / "2025" / "store_status_synthetic.csv.gz") as packed, polls.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    expected = expected_csv(polls, folder / "menu_hours.csv", folder / "timezones.csv")
    assert expected.count(b"\n") == 3_678 + 1
    assert report(services, folder) == expected


def test_2023_bigint_ids_and_hours_of_13_559_stores(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "2023"
    folder.mkdir()
    names = ("menu_hours.csv", "timezones.csv", "store_status_sample.csv")
    for name in names:
        shutil.copyfile(DATA / "2023" / name, folder / name)
    hours, zones, polls = (folder / name for name in names)
    expected = expected_csv(polls, hours, zones)
    assert expected.count(b"\n") > 1_000
    assert report(services, folder) == expected

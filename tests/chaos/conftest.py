"""The fleet of the short kill tests; and what they measured (`record_property("measured", text)`), printed at the end."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.fixtures.services import Services
from tests.fixtures.small_report import BATCH_STORES, SmallFleet


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Called by pytest in the main process, with the reports of all workers."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                measured = [text for name, text in report.user_properties if name == "measured"]
                if measured:
                    terminalreporter.section(report.nodeid.rpartition("::")[2])
                    terminalreporter.write_line(str(measured[-1]))


@pytest.fixture(scope="session")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> SmallFleet:
    """Made once a process."""
    return SmallFleet.make(tmp_path_factory.mktemp("small-fleet"))


@pytest.fixture
def idle_services(env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path) -> Iterator[Services]:
    """Nothing started yet; leases of two seconds, and a scheduler that will be quick."""
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    quick = {"UPTILL_LEASE_S": "2", "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
    with Services({**env, **quick, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        yield services

"""The fleet of the short kill tests; and what they measured (`record_property("measured", text)`), printed at the end."""

import pytest

from tests.fixtures.small_report import SmallFleet


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

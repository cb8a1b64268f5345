"""Prints what the kill tests measured, at the end of the run: `record_property("measured", text)`."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Called by pytest in the main process, with the reports of all workers."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                measured = [text for name, text in report.user_properties if name == "measured"]
                if measured:
                    terminalreporter.section(report.nodeid.rpartition("::")[2])
                    terminalreporter.write_line(str(measured[-1]))

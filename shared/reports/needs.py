"""What the files of a report need beyond its own columns. Must not know how they are made."""

from collections.abc import Sequence
from typing import Final

from shared.reports.formats import FileKind
from shared.uptime.window import MAX_WINDOWS, parse_windows, with_previous

# A summary measures as many windows again.
MAX_SUMMARY_WINDOWS: Final = MAX_WINDOWS // 2


def measured_windows(windows: Sequence[str], files: Sequence[FileKind]) -> Sequence[str]:
    """Return the windows to measure: those of the report, and for a summary the windows before them too."""
    if "summary" not in files:
        return windows
    every, _ = with_previous(parse_windows(windows))
    return [window.text for window in every]


def needs_outages(files: Sequence[FileKind], *, detail: bool) -> bool:
    """Return whether a report computes outages, for files of their own or for columns."""
    return detail or "outages" in files or "reasons" in files


def needs_every_poll(files: Sequence[FileKind], *, detail: bool, excludes_reasons: bool) -> bool:
    """Return whether daily facts are not enough: they know no time of day, no bounds of outages and no reasons."""
    return needs_outages(files, detail=detail) or "summary" in files or excludes_reasons

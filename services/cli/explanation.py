"""Print the explanation of a store's row in its local time: a line per segment, with the reason for its state."""

from datetime import timedelta

from services.cli.because import Reasons, note_more_closures
from services.cli.console import instant, note, print_text, print_warning
from services.cli.timeline import format_length, print_segments
from shared.outside_words import NO_POLL, NONE_IN_HOURS, describe_outside
from uptill_client import ExplainedWindow, Explanation


def show_explanation(found: Explanation) -> None:
    """Print each window of the report: its cells, its segments and its totals."""
    title = f"store {found.store_id} in report {found.report_id}, local time of {found.timezone}"
    print_text(title)
    reasons = Reasons(found)
    for window in found.windows:
        _show_window(window, reasons)
    print_text("")
    for line in reasons.notes():
        print_text(line)
    note_more_closures(found.closures_total - len(found.closures))
    print_text(
        f"policy {found.policy} (version {found.policy_version}), as of {instant(found.as_of)}, data cut {found.data_cut}"
    )
    note("Times are cut to whole seconds; --json has all digits.")
    if not found.is_exact:
        print_warning(
            f"the report was made with another time zone database than {found.tzdata_version}, so its row may differ"
        )


def _show_window(window: ExplainedWindow, reasons: Reasons) -> None:
    cells = ", ".join(f"{name} {value:.4f}" for name, value in window.row.items())
    outside = 0 if any(segment.polls for segment in window.segments) else window.polls_outside_hours
    none = NONE_IN_HOURS if outside else NO_POLL
    print_text("")
    print_text(f"{window.window}: {cells} {window.unit}", "bold")
    print_segments(
        [(segment.begin_local, segment.end_local) for segment in window.segments],
        [segment.state for segment in window.segments],
        [reasons.reason_of(segment, none) for segment in window.segments],
    )
    totals = window.totals
    print_text(
        f"open {format_length(totals.open_us)} = up {format_length(totals.up_us)} + down {format_length(totals.down_us)}"
        f" + unknown {format_length(totals.unknown_us)}; excluded {format_length(totals.excluded_us)}"
    )
    if outside:
        print_text(describe_outside(outside, (window.end - window.begin) // timedelta(microseconds=1)))

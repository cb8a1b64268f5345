"""Print policies side by side: their figures, and each stretch about which they differ, with the rules behind it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from services.cli.console import instant, note, print_text
from services.cli.local_times import need_offsets, zone_to_show
from services.cli.tables import print_table
from services.cli.timeline import format_length, format_percent
from shared.border_words import name_borders
from shared.local_times import offset_text
from uptill_client import PolicyDifference, PolicyState, PolicyTotals, StorePolicies

_FIGURES = ("policy", "open", "up", "down", "unknown", "availability", "up against the first")
_SECOND_US = 1_000_000
_OF_CLOSURE = frozenset({"excluded", "as_up"})


def show_policies(found: StorePolicies) -> None:
    """Print a row per policy, then a row per stretch."""
    zone = zone_to_show(found.timezone)
    print_text(f"store {found.store_id}, local time of {found.timezone}")
    print_table(_FIGURES, map(_show_figures, found.policies))
    if found.differences:
        print()
        times = (at.astimezone(zone) for each in found.differences for at in (each.begin, each.end))
        has_offsets = need_offsets(list(times))
        policies = [each.policy for each in found.policies]
        rows = [_show_difference(each, zone, has_offsets=has_offsets) for each in found.differences]
        print_table(("from", "to", "length", *policies), rows)
    if found.differences_total > len(found.differences):
        note(
            f"{found.differences_total - len(found.differences)} more stretches; choose a shorter window to see them"
        )
    note(
        f"{found.begin.astimezone(zone).isoformat()} to {found.end.astimezone(zone).isoformat()},"
        f" policy version {found.policy_version}, as of {instant(found.as_of)}"
    )
    note("Times are cut to whole seconds; --json has the microseconds.")


def _show_figures(each: PolicyTotals) -> tuple[str, ...]:
    totals = each.totals
    times = (totals.open_us, totals.up_us, totals.down_us, totals.unknown_us)
    return (
        each.policy,
        *(format_length(_whole_seconds(us)) for us in times),
        format_percent(totals.up_us, totals.up_us + totals.down_us),
        _show_change(each.change.up_us),
    )


def _show_change(us: int) -> str:
    return f"{'-' if us < 0 else '+'}{format_length(_whole_seconds(abs(us)))}" if us else "-"


def _whole_seconds(us: int) -> int:
    return us // _SECOND_US * _SECOND_US


def _show_difference(each: PolicyDifference, zone: ZoneInfo, *, has_offsets: bool) -> tuple[str, ...]:
    begin, end = each.begin.astimezone(zone), each.end.astimezone(zone)
    return (
        _show_time(begin, has_date=True, has_offset=has_offsets),
        _show_time(end, has_date=end.date() != begin.date(), has_offset=has_offsets),
        format_length(_whole_seconds(each.length_us)),
        *(_show_state(state) for state in each.states),
    )


def _show_state(state: PolicyState) -> str:
    of_closure = state.state in _OF_CLOSURE
    return f"{state.state}, {name_borders(state.begin_rule, state.end_rule, of_closure=of_closure)}"


def _show_time(at: datetime, *, has_date: bool, has_offset: bool) -> str:
    return f"{at:{'%a %Y-%m-%d ' if has_date else ''}%H:%M:%S}{offset_text(at) if has_offset else ''}"

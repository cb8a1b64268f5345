"""The printed explanation: a night in which clocks go back, polls of several imports, unusual hours, no poll at all."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.cli.explanation import show_explanation
from uptill_client import ExplainedHours, ExplainedPoll, ExplainedSegment, ExplainedWindow, Explanation
from uptill_client.timelines import Totals

ZONE = ZoneInfo("America/New_York")
MIDNIGHT = datetime(2024, 11, 3, 4, tzinfo=UTC)
WEEKLY = ExplainedHours("weekly", None, None, None)


def poll(hours: float, source: str | None, line: int | None = None) -> ExplainedPoll:
    return ExplainedPoll(
        MIDNIGHT + timedelta(hours=hours), "active", source and f"id of {source}", source, line, line
    )


def segment(
    begin: float,
    end: float,
    state: str,
    rule: str = "poll",
    polls: Sequence[ExplainedPoll] = (),
    hours: Sequence[ExplainedHours] = (WEEKLY,),
) -> ExplainedSegment:
    """A segment from and to these hours after midnight, with the local times as the API writes them."""
    at, until = (MIDNIGHT + timedelta(hours=each) for each in (begin, end))
    begin_local, end_local = (
        datetime.fromisoformat(each.astimezone(ZONE).isoformat()) for each in (at, until)
    )
    length_us = (until - at) // timedelta(microseconds=1)
    return ExplainedSegment(
        at, until, begin_local, end_local, length_us, state, rule, "edge", "stale", len(polls), polls, hours, None, 1
    )  # fmt: skip


def shown(
    segments: Sequence[ExplainedSegment], capsys: pytest.CaptureFixture[str], outside: int = 0
) -> list[str]:
    totals = Totals(0, 0, 0, 0, 0, 0, 0, None)
    end, row = MIDNIGHT + timedelta(days=7), {"uptime_last_day": 1.5}
    window = ExplainedWindow("last_day", MIDNIGHT, end, "hours", row, totals, segments, outside)
    show_explanation(
        Explanation(
            "R", "S", str(ZONE), False, "classic", 2, MIDNIGHT, 7, "2026.2", False, [], [window]
        )
    )  # fmt: skip
    captured = capsys.readouterr()
    assert "another time zone database" in captured.err
    return captured.out.splitlines()


def test_both_hours_of_a_repeated_hour_can_be_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(
        [
            segment(0.5, 1.5, "up", polls=[poll(1.25, "a.csv", 2)]),
            segment(1.5, 2.5, "unknown", "silence"),
            segment(2.5, 4, "up", polls=[poll(1.75, "a.csv", 2), poll(3, "b.csv", 9)]),
        ],
        capsys,
    )
    places = [line.partition("because")[0].split() for line in lines]
    assert places.index(["Sun", "2024-11-03", "UTC-04:00"]) < places.index(["Sun", "2024-11-03", "UTC-05:00"])
    rows = [line.split() for line in lines if line.startswith("  0")]
    assert [row[:4] for row in rows] == [
        ["00:30:00", "01:30:00", "1:00:00", "up"],
        ["01:30:00", "01:30:00-05:00", "1:00:00", "unknown"],
        ["01:30:00", "03:00:00", "1:30:00", "up"],
    ]
    last = next(line for line in lines if "2 active polls" in line)
    assert (
        "from 01:45:00-04:00 [p1] to 02:00:00 [p2]; begins at the opening, ends where a poll's reach ends"
        in last
    )
    assert "[p1] a.csv, lines 2-2, import id of a.csv" in lines
    assert "[p2] b.csv, lines 9-9, import id of b.csv" in lines


def test_hours_that_are_not_the_weekly_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    special = ExplainedHours("special", None, "2024-11-03", None)
    holiday = ExplainedHours("calendar", None, "2024-11-04", "us-holidays")
    dated = ExplainedHours("dated", "2024-11-01", None, None)
    lines = shown(
        [
            segment(6, 7, "closed", "hours", hours=[WEEKLY]),
            segment(7, 8, "closed", "hours", hours=[dated, special, holiday]),
            segment(8, 9, "up", "carry", polls=[poll(-20, None)], hours=[special]),
            segment(9, 10, "up", polls=[poll(9, "live")]),
            segment(10, 11, "down", "silence"),
            segment(11, 12, "closed", "lifetime", hours=[]),
        ],
        capsys,
    )
    reasons = [line.rpartition("1:00:00  ")[2].split(maxsplit=1)[1] for line in lines if "1:00:00" in line]
    ends = "begins at the opening, ends where a poll's reach ends"
    assert reasons == [
        "closed by weekly hours",
        "closed by hours from 2024-11-01, special hours of 2024-11-03, calendar us-holidays of 2024-11-04",
        f"earlier active poll at Sat 2024-11-02 04:00:00-04:00; {ends}; opened by special hours of 2024-11-03",
        f"active poll at 08:00:00 [p1]; {ends}",
        f"no poll, which counts as down; {ends}",
        "outside the store's lifetime",
    ]
    assert "[p1] live" in lines


def test_polls_that_are_all_outside_opening_hours_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    silence = segment(9, 10, "unknown", "silence")
    lines = shown([silence], capsys, outside=14)
    assert any("no poll in opening hours; begins" in line for line in lines)
    told = "no poll in opening hours, and 14 polls outside them, about 2 a day: check the hours and the zone"
    assert told in lines
    for segments, outside in (([silence], 0), ([silence, segment(10, 11, "up", polls=[poll(10, "a")])], 14)):
        lines = shown(segments, capsys, outside=outside)
        assert not any("in opening hours" in line for line in lines)

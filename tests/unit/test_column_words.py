"""The columns of a report in words: each has its measure, its window and the unit that the files have."""

import pytest

from services.worker.columns import OUTAGE_COLUMNS, report_columns
from shared.column_words import describe_column, describe_notes, name_windows
from shared.uptime.window import NAMED_WINDOWS, parse_windows

WINDOWS = (
    *NAMED_WINDOWS,
    "PT30M",
    "P1DT12H",
    "week_of:2026-W44",
    "month_of:2026-10",
    "day_of:2026-10-31",
    "before:last_day",
    "before:previous_month",
)


@pytest.mark.parametrize("window", WINDOWS)
def test_every_column_has_its_unit_and_a_title_of_its_own(window: str) -> None:
    columns = report_columns(parse_windows([window]), detail=True)
    titles = [describe_column(column.name).title for column in columns]
    assert len({*titles}) == len(columns)
    assert all("_" not in title and " min" not in title for title in titles)
    for column in columns:
        unit = describe_column(column.name).unit
        assert unit == (column.unit if column.unit in ("minutes", "hours") else "")
    assert all(name_windows([window])[0] in title for title in titles[1:-2])


def test_a_title_says_what_is_measured_when() -> None:
    assert describe_column("uptime_min_previous_week").title == "uptime at least, previous week"
    assert describe_column("mtbf_week_of_2026_w44").title == "mean time between failures, week of 2026-W44"
    assert describe_column("store_id").title == "store id"
    assert {describe_column(column.name).unit for column in OUTAGE_COLUMNS} == {""}
    # A later release may have other columns and windows.
    assert describe_column("doubt_next_month").title == "doubt next month"
    assert name_windows(["next_month", "last_day"]) == ["next_month", "last day"]


def test_each_measure_is_explained_once() -> None:
    columns = report_columns(parse_windows(["last_hour", "last_day"]), detail=True)
    notes = describe_notes(column.name for column in columns)
    assert [note.partition(":")[0] for note in notes] == [
        "Uptime at least and at most",
        "Longest outage",
        "Mean time to repair",
        "Mean time between failures",
    ]
    assert (
        describe_notes(column.name for column in report_columns(parse_windows(["last_day"]), detail=False))
        == []
    )

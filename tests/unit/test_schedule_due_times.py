"""When a schedule is due, across changes of clocks and after a pause."""

from datetime import UTC, datetime

import pytest

from shared.errors import InvalidRequest
from shared.schedules.cron import list_following, newest_due, next_due

NEW_YORK = "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("30 2 * * *", NEW_YORK, "2024-03-09T12:00", ["2024-03-10T07:00", "2024-03-11T06:30"]),  # skipped
        ("30 1 * * *", NEW_YORK, "2024-11-02T12:00", ["2024-11-03T05:30", "2024-11-04T06:30"]),  # twice
        ("30 * * * *", NEW_YORK, "2024-11-03T05:00", ["2024-11-03T05:30", "2024-11-03T06:30"]),
        (
            "*/30 1 * * *",
            NEW_YORK,
            "2024-11-03T05:15",
            ["2024-11-03T05:30", "2024-11-03T06:00"],
        ),  # by what passes
        (
            "0 */2 * * *",
            NEW_YORK,
            "2024-03-10T05:30",
            ["2024-03-10T08:00", "2024-03-10T10:00"],
        ),  # skipped, left out
        ("30 1-3 * * *", NEW_YORK, "2024-03-10T06:45", ["2024-03-10T07:00", "2024-03-10T07:30"]),
        (
            "15 0 * * *",
            "Australia/Lord_Howe",
            "2024-10-05T00:00",
            ["2024-10-05T13:45", "2024-10-06T13:15"],
        ),  # by 30 min
        ("0 9 * * 0", "UTC", "2024-10-14T00:00", ["2024-10-20T09:00"]),  # 0 is Sunday
        ("0 9 * * *", "UTC", "2024-10-14T09:00", ["2024-10-15T09:00"]),
    ],
)
def test_the_next_due_times(cron: str, zone: str, after: str, due: list[str]) -> None:
    instant, found = at(after), []
    for _ in due:
        instant = next_due(cron, zone, instant)
        found.append(instant)
    assert found == [at(text) for text in due]


def test_those_that_follow_a_due_time() -> None:
    assert list_following("0 3 29 2 1-5", "UTC", at("2024-02-29T03:00"), 2) == [
        at("2024-02-29T03:00"),
        next_due("0 3 29 2 1-5", "UTC", at("2024-02-29T03:00")),
    ]


def test_the_newest_missed_one_of_a_day_with_two_times_is_the_first() -> None:
    """In the repeated hour the way back would say 1:30 for the second time."""
    missed = newest_due("30 1 * * *", NEW_YORK, at("2024-11-01T05:30"), at("2024-11-03T06:45"))
    assert missed == at("2024-11-03T05:30")


@pytest.mark.parametrize("now", ["2024-01-05T05:00", "2024-01-05T05:59:59"])
def test_of_those_that_were_missed_the_newest(now: str) -> None:
    assert newest_due("0 * * * *", "UTC", at("2024-01-01T00:00"), at(now)) == at("2024-01-05T05:00")


def test_the_first_while_it_is_the_newest() -> None:
    assert newest_due("0 * * * *", "UTC", at("2024-01-01T00:00"), at("2024-01-01T00:30")) == at(
        "2024-01-01T00:00"
    )


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("* * * * * *", "UTC", "cron"),
        ("a b c d e", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("0 0 * * *", "No/Where", "timezone"),
        ("0 0 * * *", "../etc", "timezone"),
    ],
)
def test_what_never_comes_is_refused(cron: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        next_due(cron, zone, at("2024-01-01T00:00"))
    assert refused.value.field == field

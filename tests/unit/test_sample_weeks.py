"""The catalogue of opening weeks: its notation, and the facts of real hours that it reproduces."""

from collections import Counter

import numpy as np
import pytest

from services.sample.weeks import ALWAYS_OPEN, WEEKS, HoursRow, Week


def test_a_week_past_midnight_is_two_rows_that_meet_at_the_seam() -> None:
    assert Week(1, 59, "6*- 1*16:00-25:30").rows() == [
        HoursRow(6, "16:00:00", "23:59:59"),
        HoursRow(0, "00:00:00", "01:30:00"),
    ]


def test_a_split_day_is_two_rows_and_midnight_itself_is_a_seam() -> None:
    assert Week(1, 0, "1*06:30-10:19+10:20-24:00 6*-").rows() == [
        HoursRow(0, "06:30:00", "10:19:00"),
        HoursRow(0, "10:20:00", "23:59:00"),
    ]


def test_open_minutes_wrap_from_sunday_to_monday_and_keep_the_minute_of_the_seam() -> None:
    minutes = np.flatnonzero(Week(1, 0, "6*- 1*23:00-24:02").open_minutes())
    sunday_2300 = (6 * 24 + 23) * 60
    assert minutes.tolist() == [0, 1, *range(sunday_2300, sunday_2300 + 60)]
    assert ALWAYS_OPEN.open_minutes().all()


@pytest.mark.parametrize("week", WEEKS, ids=lambda week: week.text)
def test_rows_and_minutes_of_a_week_agree(week: Week) -> None:
    minutes = np.zeros(7 * 1440, np.bool_)
    for row in week.rows():
        assert row.opens < row.closes  # real files hold no overnight row
        opens, closes = (int(clock[:2]) * 60 + int(clock[3:5]) for clock in (row.opens, row.closes))
        closes += row.closes.startswith("23:59")
        minutes[row.day_of_week * 1440 + opens : row.day_of_week * 1440 + closes] = True
    assert np.array_equal(minutes, week.open_minutes())


def test_the_catalogue_has_the_totals_of_the_real_hours_file() -> None:
    rows = [(week.stores, row) for week in WEEKS for row in week.rows()]
    all_rows = sum(stores for stores, _ in rows)
    ends = Counter[str]()
    for stores, row in rows:
        ends[row.closes] += stores
    rows_of_day = {week: Counter(row.day_of_week for row in week.rows()) for week in WEEKS}
    split = sum(week.stores for week, days in rows_of_day.items() if max(days.values()) > 1)
    fewer = sum(week.stores for week, days in rows_of_day.items() if len(days) < 7)

    assert sum(week.stores for week in WEEKS) == 4466
    assert fewer == 115
    assert split / 4466 == pytest.approx(0.238, abs=0.005)
    assert ends["23:59:59"] / all_rows == pytest.approx(0.191, abs=0.005)
    assert ends["23:59:00"] / all_rows == pytest.approx(0.068, abs=0.005)
    assert all_rows == pytest.approx(35_457, rel=0.01)
    assert max(max(days.values()) for days in rows_of_day.values()) == 4

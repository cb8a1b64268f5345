"""The order in which polls are inserted: one week after the other, in each block of rows that a COPY keeps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.last_polls import LastPolls
from services.ingest.write.poll_table import order_by_week
from services.ingest.write.weeks import list_weeks, number_weeks

_INSTANTS = st.integers(946_684_800_000_000, 4_102_444_800_000_000)  # 2000 to 2100
_ROWS = st.lists(st.tuples(st.integers(0, 3), _INSTANTS, st.booleans(), st.booleans()), max_size=20)


@given(rows=_ROWS, kept_rows=st.integers(1, 25))
def test_polls_of_a_week_follow_each_other_in_their_order(
    rows: list[tuple[int, int, bool, bool]], kept_rows: int
) -> None:
    store, at_us, first_active, active = np.array(rows, np.int64).reshape(-1, 4).T
    polls = LastPolls(store.astype(np.int32), at_us, first_active.astype(np.bool_), active.astype(np.bool_))
    ordered = order_by_week(polls, kept_rows)
    found = zip(ordered.store, ordered.at_us, ordered.first_active, ordered.active, strict=True)
    week = number_weeks(at_us)
    expected = sorted(range(len(rows)), key=lambda place: (place // kept_rows, week[place]))
    assert list(found) == [rows[place] for place in expected]


@given(instants=st.lists(_INSTANTS, max_size=20))
def test_listed_weeks_are_those_that_occur(instants: list[int]) -> None:
    week = number_weeks(np.array(instants, np.int64))
    assert list_weeks(week) == sorted(set(week.tolist()))

"""Weekly hours that overlap, and the rows that a delivery of hours wants, found at once as one by one."""

from uuid import UUID

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.write.hours_values import closes, days, encode_hours, opens
from services.ingest.write.packed_rows import StagedFile
from services.ingest.write.wanted_hours import want_dated, want_weekly
from shared.diagnostics.week_rows import StoredWeeks

DAY_S, WEEK_S = 86_400, 604_800
Row = tuple[int, int, int]  # day, opens, closes
times = st.integers(0, 23).map(lambda hour: hour * 3600)
row = st.tuples(st.integers(0, 6), times, times)
weeks = st.dictionaries(st.integers(-3, 9), st.lists(row, min_size=1, max_size=8, unique=True), min_size=1)


def span(one: Row) -> tuple[int, int]:
    day, start, end = one
    return day * DAY_S + start, day * DAY_S + end + DAY_S * (end <= start)


@given(weeks)
def test_rows_that_open_before_an_earlier_one_closes(week: dict[int, list[Row]]) -> None:
    ordered = [(key, one) for key in sorted(week) for one in sorted(week[key])]
    wanted = []
    for place, (key, one) in enumerate(ordered):
        start, _ = span(one)
        ends = [span(other)[1] for of, other in ordered[:place] if of == key]
        ends += [span(other)[1] - WEEK_S for of, other in ordered if of == key]
        wanted.append(start < max(ends))
    spans = [span(one) for _, one in ordered]
    keys, starts, closings = (
        np.array(values, np.int64) for values in ([key for key, _ in ordered], *zip(*spans, strict=True))
    )
    rows = StoredWeeks(keys, starts, closings, np.zeros(len(keys), np.bool_))
    assert rows.open_early.tolist() == wanted


files = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, 1, 738_000]), row), max_size=12),
    min_size=1,
    max_size=3,
)


def staged(rows: list[tuple[int, int | None, Row]], keys: list[int]) -> StagedFile:
    values = [
        {"day_of_week": one[0], "day_number": None, "opens": one[1], "closes": one[2], "date": date}
        for _, date, one in rows
    ]
    return StagedFile(
        UUID(int=1),
        pl.Series([str(key) for key in keys], dtype=pl.String),
        np.array(keys, np.int32),
        np.array([store for store, _, _ in rows], np.int32),
        encode_hours(values, 0),
        np.zeros(len(rows), np.int32),
    )


@given(files, st.permutations([-2, 1, 5, 7]))
def test_distinct_rows_belong_to_the_first_file_that_has_them(
    given_files: list[list[tuple[int, int | None, Row]]], keys: list[int]
) -> None:
    for is_dated, want in ((False, want_weekly), (True, want_dated)):
        chosen = [[one for one in rows if (one[1] is not None) == is_dated] for rows in given_files]
        wanted: dict[tuple[int, int, Row], int] = {}
        for place, rows in enumerate(chosen):
            for store, date, one in rows:
                wanted.setdefault((keys[store], date or 0, one), place)
        found = want([staged(rows, keys) for rows in chosen])
        week = found.row >> 37
        columns = (
            found.store_key[week],
            found.date[week],
            days(found.row),
            opens(found.row),
            closes(found.row),
        )
        listed = list(zip(*(column.tolist() for column in columns), strict=True))
        assert [(key, date, tuple(one)) for key, date, *one in listed] == sorted(wanted)
        assert found.file.tolist() == [wanted[one] for one in sorted(wanted)]

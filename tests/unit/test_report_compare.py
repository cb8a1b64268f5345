"""Which stores differ between two files of a report."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.formulas import inert
from shared.reports.compare import ReportComparison

HEADER = b"store_id,uptime_last_hour,downtime_last_hour\n"


def file(rows: dict[str, tuple[str, str]], block_bytes: int = 7) -> Iterator[bytes]:
    lines = [
        f'"{inert(name)}",{up},{down}\n'.encode()
        for name, (up, down) in sorted(rows.items(), key=lambda r: r[0].encode())
    ]
    data = HEADER + b"".join(lines)
    return (data[start : start + block_bytes] for start in range(0, len(data), block_bytes))


def test_changed_added_and_removed_stores() -> None:
    before = {"a": ("1.0000", "2.0000"), "b": ("1.0000", "2.0000"), "d": ("5.0000", "0.0000")}
    after = {"a": ("1.0000", "2.0000"), "b": ("1.0000", "3.0000"), "c": ("4.0000", "0.0000")}
    found = ReportComparison(file(before), file(after)).read_some(10)
    assert [(one.store_id, one.presence, dict(one.values)) for one in found] == [
        ("b", "changed", {"downtime_last_hour": ("2.0000", "3.0000")}),
        ("c", "added", {"uptime_last_hour": (None, "4.0000"), "downtime_last_hour": (None, "0.0000")}),
        ("d", "removed", {"uptime_last_hour": ("5.0000", None), "downtime_last_hour": ("0.0000", None)}),
    ]


@pytest.mark.parametrize("after_id", ["b", "bb"])
def test_it_begins_after_a_store(after_id: str) -> None:
    rows = dict.fromkeys("abc", ("1.0000", "2.0000"))
    changed = dict.fromkeys("abc", ("1.0000", "3.0000"))
    assert [one.store_id for one in ReportComparison(file(rows), file(changed), after_id).read_some(9)] == [
        "c"
    ]


ROWS = st.dictionaries(
    st.sampled_from(["=1+1", "'=1", "-5", "a", "ä", "b", "zz", "0042"]),
    st.tuples(st.sampled_from(["1.0000", "2.0000"]), st.just("0.0000")),
)


@given(ROWS, ROWS, st.integers(1, 3), st.integers(1, 50))
def test_pages_together_are_all_differences(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]], most: int, block_bytes: int
) -> None:
    expected = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    found, last = [], None
    while page := ReportComparison(file(before, block_bytes), file(after, block_bytes), last).read_some(most):
        found += [one.store_id for one in page]
        last = found[-1]
    assert found == sorted(expected, key=str.encode)

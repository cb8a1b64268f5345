"""Local times of whole arrays equal those of zoneinfo, also around changes of clocks."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.zones import DAY_S, zone_table
from tests.property.terms import ZONES_40, changes_us

_FIRST_S = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp())


@given(
    zones=st.lists(st.sampled_from(ZONES_40), min_size=1, max_size=3, unique=True),
    offsets_s=st.lists(st.integers(-100_000, 100_000) | st.sampled_from([-1, 0, 1]), min_size=1, max_size=5),
    near=st.integers(0, 5),
)
def test_local_times_are_those_of_zoneinfo(zones: list[str], offsets_s: list[int], near: int) -> None:
    asked = []
    for number, zone in enumerate(zones):
        changes = changes_us(zone)
        change_s = changes[near % len(changes)] // 1_000_000
        asked += [(number, max(change_s + offset_s, _FIRST_S)) for offset_s in offsets_s]
    zone, at_s = np.array(asked, dtype=np.int64).T
    table = zone_table(zones, int(at_s.min()) // DAY_S - 2, int(at_s.max()) // DAY_S + 2)
    expected = [
        int(datetime.fromtimestamp(at, ZoneInfo(zones[number])).replace(tzinfo=UTC).timestamp())
        for number, at in asked
    ]
    assert table.local_s(zone, at_s).tolist() == expected

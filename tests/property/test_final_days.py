"""From when on no poll changes the days of a fleet, against the search for the cells that a change touches."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.worker.facts.stale_cells import find_stale_cells
from shared.clock import to_us
from shared.facts.changes import TouchedDays
from shared.facts.final_days import last_change
from shared.inputs.stores import Stores
from shared.uptime.policy import POLICIES

ZONES = (None, "Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu", "America/New_York")
STORES = Stores(np.arange(7, 7 + len(ZONES)), [str(n) for n in range(len(ZONES))], ZONES)
EVER = 1 << 40
# Around a change of clocks.
CELLS = st.lists(st.tuples(st.sampled_from(STORES.keys.tolist()), st.integers(20_030, 20_040)), min_size=1)


@given(cells=CELLS, policy=st.sampled_from(sorted(POLICIES)))
def test_a_poll_touches_a_day_up_to_the_last_change_and_none_after_it(
    cells: list[tuple[int, int]], policy: str
) -> None:
    rules = POLICIES[policy]
    keys, days = np.array(cells).T
    until = last_change(STORES, keys, days, rules)
    found = [
        len(find_stale_cells([TouchedDays(0, -EVER, EVER, to_us(at))], STORES, rules, keys, days))
        for at in (until, until + timedelta(microseconds=1))
    ]
    assert found[0] > 0
    assert found[1] == 0


@given(cells=CELLS)
def test_the_days_of_an_unknown_zone_end_later_than_those_of_any_other(cells: list[tuple[int, int]]) -> None:
    rules = POLICIES["classic"]
    keys, days = np.array(cells).T
    unknown = Stores(STORES.keys, STORES.ids, ["Mars/Olympus"] * len(ZONES))
    assert last_change(unknown, keys, days, rules) > last_change(STORES, keys, days, rules)

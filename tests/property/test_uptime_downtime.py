"""Stretches of downtime add up to the outages, and hold no time that is closed or under a closure."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.intervals import Line, intersect_intervals
from shared.uptime.outages import find_downtime, find_outages, outage_states
from shared.uptime.policy import DAY_US, POLICIES, outage_history_us
from shared.uptime.poll_history import PollHistory
from tests.oracle.adjusted import inputs_of, plain
from tests.oracle.engine import polls_of
from tests.property.terms import Batch, batches, some


@some
@given(
    batch=batches(),
    name=st.sampled_from(sorted(set(POLICIES) - {"hold-scaled"})),
    bounds_us=st.tuples(st.integers(0, 9 * DAY_US), st.integers(0, 9 * DAY_US)),
)
def test_stretches_add_up_to_the_outages(batch: Batch, name: str, bounds_us: tuple[int, int]) -> None:
    stores, as_of_us = batch
    policy, (hours, adjustments) = POLICIES[name], inputs_of(stores)
    starts_us, ends_us = (np.full(len(stores), as_of_us - ago) for ago in sorted(bounds_us, reverse=True))
    first_us = int(starts_us.min()) - outage_history_us(policy)
    zones = [store.zone for store in stores]
    schedule = adjusted_schedule(zones, hours, adjustments, first_us, as_of_us)
    history = PollHistory(schedule, polls_of(plain(stores)), first_us, as_of_us, len(stores), policy)
    states = outage_states(history)
    outages = find_outages(history, states, (starts_us, ends_us))
    found = find_downtime(history, states, (starts_us, ends_us))
    length_us = found.close_us - found.open_us
    assert (length_us > 0).all()
    for store in range(len(stores)):
        total_us = int(length_us[found.store == store].sum())
        assert total_us == int(outages.down_us[outages.store == store].sum())
    line = Line.covering(first_us - 30 * DAY_US, as_of_us + 30 * DAY_US, len(stores))
    begin, end = (line.place(found.store, each) for each in (found.open_us, found.close_us))
    assert (begin[1:] > end[:-1]).all(), "in order, disjoint, and joined where they touch"
    spans = schedule.measured
    opens, closes = (line.place(spans.store, each) for each in (spans.open_us, spans.close_us))
    _, first, last = intersect_intervals(begin, end, opens, closes)
    assert int((last - first).sum()) == int(length_us.sum()), "measured time only"

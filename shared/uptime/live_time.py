"""How much time of today each store was up and down, and how long it has been open, for its live state."""

import numpy as np

from shared.uptime.closures import Schedule
from shared.uptime.intervals import Int64s, elapsed_before
from shared.uptime.kernel import measure_states
from shared.uptime.live_polls import LastRun
from shared.uptime.poll_history import PollHistory


def measure_today(schedule: Schedule, history: PollHistory, day_from_us: Int64s) -> tuple[Int64s, Int64s]:
    """Return the uptime and the downtime of each store from the begin of its day until now."""
    windows_us = day_from_us[:, None], np.full((len(day_from_us), 1), history.as_of_us)
    states = history.states(joined=True)
    measures = measure_states(schedule, history, states, windows_us, detail=False)
    return measures.up_us[:, 0], measures.down_us[:, 0]


def open_time_us(history: PollHistory, run: LastRun) -> Int64s:
    """Return the measured time from the first poll of each store's run until now."""
    line, now_us, store = history.line, history.as_of_us, np.arange(history.stores)
    from_us = np.where(run.first_us < 0, now_us, run.first_us)
    borders = line.place(store, np.stack((from_us, np.full(history.stores, now_us))))
    from_first, until_now = elapsed_before(*history.span_places, borders)
    open_us: Int64s = until_now - from_first
    return open_us

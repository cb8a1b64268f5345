"""The input of one batch, as the accounting takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments
from shared.uptime.batch import StoreHistory
from shared.uptime.calendar import Hours
from shared.uptime.states import Polls
from shared.uptime.whole_days import WholeDays


@dataclass(frozen=True)
class BatchInput:
    """Stores in the order of the file, with the hours and polls that the accounting needs."""

    store_ids: Sequence[str]
    zones: Sequence[str | None]
    hours: Hours
    polls: Polls
    adjustments: Adjustments = NO_ADJUSTMENTS
    # For stores with known days, the polls are only those around them.
    whole_days: WholeDays | None = None
    # The first and the last of these whose polls are gone.
    facts_only: tuple[date, date] | None = None
    # Only for reports that add up stores by label.
    labels: Sequence[Mapping[str, str]] | None = None
    # Only for reports with detail.
    names: Sequence[str | None] | None = None
    # The words of reasons by their numbers. Only for outages of stores with notes about polls.
    reasons: Mapping[int, str] = field(default_factory=dict)

    def keep(self, places: Sequence[int]) -> "BatchInput":
        """Return the input of some of the stores, given by their indexes in ascending order."""
        if len(places) == len(self.store_ids):
            return self
        number = np.full(len(self.store_ids), -1, np.int64)
        number[places] = np.arange(len(places))
        hours, polls = self.hours, self.polls
        of_hours, of_polls = (np.flatnonzero(number[rows.store] >= 0) for rows in (hours, polls))
        return BatchInput(
            [self.store_ids[place] for place in places],
            [self.zones[place] for place in places],
            Hours(
                number[hours.store[of_hours]],
                *(values[of_hours] for values in (hours.day_of_week, hours.opens_s, hours.closes_s)),
            ),
            Polls(number[polls.store[of_polls]], polls.at_us[of_polls], polls.active[of_polls]),
            self.adjustments.renumbered(number),
            self.whole_days and self.whole_days.keep(places),
            self.facts_only,
            self.labels and [self.labels[place] for place in places],
            self.names and [self.names[place] for place in places],
            self.reasons,
        )

    @property
    def history(self) -> StoreHistory:
        return StoreHistory(self.zones, self.hours, self.polls)

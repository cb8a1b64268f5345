"""The numbers of the fleet's page, and the charts that they are drawn as. Must not know HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.api.use_cases.series_sums import PeriodFigures, PeriodRow
from services.api.web.charts import Chart, Scale, Value, draw_bars, draw_line
from services.api.web.fold_series import fold_weekdays


@dataclass(frozen=True)
class FleetView:
    """Thirty days of the chosen stores. `total` is None if there is no store; `group_fault` says why there are no groups."""

    as_of: datetime
    days: Sequence[PeriodRow]
    total: PeriodRow | None
    lowest: Sequence[PeriodRow]
    highest: Sequence[PeriodRow]
    groups: Sequence[PeriodRow]
    group_fault: str
    label_names: Sequence[str]

    @property
    def weekdays(self) -> Sequence[PeriodRow]:
        """One row for each weekday."""
        return fold_weekdays(self.days)

    @property
    def has_facts(self) -> bool:
        """Whether any day of any store is counted."""
        return self.total is not None and self.total.figures.days > 0

    @property
    def availability(self) -> Chart:
        """Uptime as a share of known time, by day, and on the dates before."""
        now, before = _both(self.days, lambda figures: figures.availability)
        scale = Scale.of_shares([*now, *before])
        return Chart(scale, draw_line(now, scale), draw_line(before, scale), [])

    @property
    def outages(self) -> Chart:
        """Outages that began, by day, and on the dates before."""
        now, before = _both(self.days, lambda figures: figures.outages if figures.days else None)
        scale = Scale.of_counts([*now, *before])
        return Chart(scale, [], draw_line(before, scale), draw_bars(now, scale))


def _both(
    rows: Sequence[PeriodRow], read: Callable[[PeriodFigures], Value]
) -> tuple[Sequence[Value], Sequence[Value]]:
    """Return a number of each row, and that of the period before."""
    before = [None if row.previous is None else read(row.previous) for row in rows]
    return [read(row.figures) for row in rows], before

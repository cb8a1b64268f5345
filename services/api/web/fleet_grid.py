"""The hours of the week of the fleet as a grid of the page."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from services.api.use_cases.fleet_hours import FleetHours
from services.api.web.hour_grid import HourGrid
from shared.uptime.policy import MINUTE_US


@dataclass(frozen=True)
class FleetGrid:
    """The grid, how many stores it adds up, and the last of its dates."""

    grid: HourGrid
    stores: int
    last_day: date

    @classmethod
    def of_hours(cls, hours: FleetHours) -> Self:
        """Return the grid of the sums."""
        return cls(HourGrid.of_fleet(hours.minutes * MINUTE_US), hours.stores, hours.last_day)

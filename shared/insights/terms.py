"""The terms that all insights share. Imports nothing, so the scheduler can read them."""

from typing import Final

WEEKS: Final = 8
DAYS: Final = WEEKS * 7
# Days after the last one whose open hours are kept: a store that opens once a week has some of them.
COMING_DAYS: Final = 9
# Open hours ahead that are scored. Each stands for those after the one before it: 6 for the fourth to the sixth.
HORIZONS: Final = (1, 2, 3, 6, 12, 24)
# Stored rates are shares of this.
RATE_UNIT: Final = 65_535

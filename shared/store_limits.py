"""How much there may be of one store, whichever way it comes in: every report of the store reads all of it."""

from typing import Final

MAX_INTERVALS_A_WEEK: Final = 7 * 24 * 4
MAX_INTERVALS_A_DAY: Final = 96  # of a special date
MAX_SPECIAL_DATES: Final = 10_000  # also of a calendar
MAX_DATED_HOURS: Final = 1_000  # dates from which other weekly hours apply
MAX_CLOSURES: Final = 10_000  # also for every store, or the same labels

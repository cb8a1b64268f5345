"""What the rows of a summary and of its parts are. Must not know how they are computed."""

from typing import Final

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LABEL_PREFIX: Final = "label:"
# A label with more values, such as a street, makes no groups.
MAX_VALUES: Final = 100
RANKED: Final = 10
KEYS: Final = ("window", "section", "group")
TIMES: Final = ("up_us", "down_us", "unknown_us", "excluded_us")
# Of the window, then of the window before it. `stores`: those with opening hours.
NUMBERS: Final = tuple(f"{before}{name}" for before in ("", "previous_") for name in ("stores", *TIMES))
PART_COLUMNS: Final = (*KEYS, *NUMBERS)

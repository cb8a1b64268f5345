"""The range of polls that something is computed from."""

from datetime import datetime
from typing import NamedTuple


class DataRange(NamedTuple):
    """The instants whose polls can matter. Before `every_from`, only the last poll of a store can."""

    from_time: datetime
    every_from: datetime
    to_time: datetime

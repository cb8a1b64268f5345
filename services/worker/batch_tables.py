"""What the stores of a batch have besides polls."""

from typing import NamedTuple

from shared.inputs.adjustments import StoredAdjustments
from shared.inputs.stores import Stores
from shared.uptime.calendar import Hours


class BatchTables(NamedTuple):
    """The stores of a batch in the order of their ids, their hours and adjustments."""

    stores: Stores
    hours: Hours
    adjustments: StoredAdjustments

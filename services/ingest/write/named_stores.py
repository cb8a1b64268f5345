"""The stores that an import has named, for the quality report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.diagnostics.week_rows import WeekFindings


@dataclass(frozen=True)
class NamedStores:
    """Keys of the stores whose rows of local data this process applied. `weeks`: what their weekly hours tell, if known."""

    keys: Sequence[int]
    weeks: WeekFindings | None = None


NO_STORES: Final = NamedStores(())

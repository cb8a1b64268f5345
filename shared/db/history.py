"""What an earlier ledger number can no longer show, because retention removed it. Must not know the accounting."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.db.queries import queries
from shared.errors import DataForgotten

FIND_GONE = queries("history")["find_gone"]


class GoneData(NamedTuple):
    """Ledger numbers before `history_from_seq` cannot be read. The polls of the dropped weeks are gone."""

    history_from_seq: int
    dropped_weeks: Sequence[datetime]

    def refuse(self, seq: int) -> None:
        """Raise `DataForgotten` if the data at a ledger number is not complete."""
        if seq < self.history_from_seq:
            raise DataForgotten(
                f"the data as it was at ledger number {seq} is gone: what later changes replaced was kept only since"
                f" number {self.history_from_seq}; request the report with the newest data instead"
            )
        if self.dropped_weeks:
            first = self.dropped_weeks[0]
            more = f" and {len(self.dropped_weeks) - 1} more" if len(self.dropped_weeks) > 1 else ""
            raise DataForgotten(
                f"polls that the report needs are gone: retention dropped the week of {first:%Y-%m-%d}{more} after ledger"
                f" number {seq}; keep polls longer (UPTILL_POLLS_KEEP_DAYS) for reports that come later"
            )

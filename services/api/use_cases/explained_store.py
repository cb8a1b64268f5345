"""A store's data at the cut of a report, and what explains its row: the accounting, run once more for that store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from shared.clock import to_us
from shared.inputs.store_terms import StoreAtCut
from shared.reports.model import Report
from shared.uptime.explanation import AccountedSegment, explain_window, fold_runs
from shared.uptime.policy import POLICIES
from shared.uptime.states import Polls
from shared.uptime.store_terms import StoreTerms
from shared.uptime.timeline import StoreTimeline, timeline_of
from shared.uptime.window import Window


class PollOrigin(NamedTuple):
    """A poll and the import that brought it. What is not known is None. The lines are those of the committed chunk."""

    at_us: int
    is_active: bool
    seq: int | None
    import_id: UUID | None
    source: str | None
    created_by: str | None
    committed_at: datetime | None
    first_line: int | None
    last_line: int | None
    is_event: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class WindowExplanation:
    """One window of the report. `segments` fill it from its start to its end."""

    window: Window
    window_us: tuple[int, int]
    timeline: StoreTimeline
    segments: Sequence[AccountedSegment]


@dataclass(frozen=True)
class ExplanationInput:
    """A store's data at the report's ledger number, read in one snapshot, and the windows to explain."""

    report: Report
    store: StoreAtCut
    terms: StoreTerms
    origins: Sequence[PollOrigin]
    windows: Sequence[tuple[Window, tuple[int, int]]]

    @property
    def weight(self) -> int:
        """What processor time grows with."""
        return len(self.windows) * (len(self.origins) + len(self.terms.closures))

    def explain(self, *, fold: bool) -> list[WindowExplanation]:
        """Compute the explanation of each window. It takes 10 µs of processor time per poll and window and no I/O."""
        polls = Polls(
            np.zeros(len(self.origins), dtype=np.int64),
            np.array([poll.at_us for poll in self.origins], dtype=np.int64),
            np.array([poll.is_active for poll in self.origins], dtype=np.bool_),
        )
        return [self._explain_window(polls, *window, fold=fold) for window in self.windows]

    def _explain_window(
        self, polls: Polls, window: Window, window_us: tuple[int, int], *, fold: bool
    ) -> WindowExplanation:
        as_of_us = to_us(self.report.as_of)
        timeline = timeline_of(self.terms, polls, as_of_us, window_us, POLICIES[self.report.policy])
        segments = explain_window(self.terms, timeline, window_us, as_of_us)
        return WindowExplanation(window, window_us, timeline, fold_runs(segments) if fold else segments)

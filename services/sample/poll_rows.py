"""Put polls in the order of a real file: blocks in time order, shuffled, with some rows twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.sample.draws import Draws
from services.sample.polling import Poller, SweepPolls
from services.sample.status import Watch

# Measured: the distance from one step back in time to the next, in rows.
_BLOCK_ROWS: Final = 9_000
# Measured: one row in twenty is late, by up to 2.5 s.
_LATE_SHARE: Final = 0.05
_LAG_US: Final = 2_500_000
# Chosen: a small set is cut into at least this many blocks, if it has that many sweeps.
_MIN_BLOCKS: Final = 8
# Chosen: the few rows that a later block repeats, with the same status or (a correction) with the other one.
_DUPLICATE_SHARE: Final = 1 / 5_000
_CORRECTION_SHARE: Final = 1 / 20_000


@dataclass(frozen=True)
class PollRows:
    """The rows of the poll file, about a block at a time. Memory grows with the stores, not with the rows."""

    draws: Draws
    poller: Poller
    watch: Watch

    def frames(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield frames with the columns store (index), is_active and at_us, each with its number of sweeps."""
        sweeps = len(self.poller.schedule.sweep_us)
        step = min(max(round(_BLOCK_ROWS / self.poller.slots), 1), max(sweeps // _MIN_BLOCKS, 1))
        firsts = np.arange(0, sweeps, step)
        again = pl.DataFrame(schema={"store": pl.Int64, "is_active": pl.Boolean, "at_us": pl.Int64})
        for first in firsts[np.argsort(self.draws.bits("block", firsts), kind="stable")].tolist():
            last = min(first + step, sweeps)
            polls = self.poller.polls(first, last)
            order = self._sort_rows(polls)
            rows = pl.DataFrame(
                {"store": polls.store, "is_active": self.watch.is_active(polls), "at_us": polls.at_us}
            )
            yield last - first, pl.concat([again, rows[order]])
            again = self._repeat_rows(polls, rows)
        if len(again):
            yield 0, again

    def _sort_rows(self, polls: SweepPolls) -> NDArray[np.int64]:
        """Return the order of the polls: by time except for late ones. Large sweeps are shuffled in blocks."""
        lag = np.maximum(1 - self.draws.uniform("lag", polls.number) / _LATE_SHARE, 0.0)
        order = np.argsort(polls.at_us + (lag * _LAG_US).astype(np.int64), kind="stable")
        if len(order) < 2 * _BLOCK_ROWS:
            return order
        blocks = np.array_split(order, round(len(order) / _BLOCK_ROWS))
        shuffled = self.draws.ranks(f"part {polls.number[0]}", len(blocks))
        return np.concatenate([blocks[number] for number in shuffled])

    def _repeat_rows(self, polls: SweepPolls, rows: pl.DataFrame) -> pl.DataFrame:
        luck = self.draws.uniform("again", polls.number)
        corrected = luck < _CORRECTION_SHARE
        return rows.with_columns(pl.col("is_active") ^ pl.Series(corrected)).filter(
            pl.Series(luck < _CORRECTION_SHARE + _DUPLICATE_SHARE)
        )

"""Loads parsed chunks: parsed ahead in a thread, written in order, each exactly once despite outages."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import psycopg

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.parsed import ParsedChunk
from services.ingest.parse.prefetch import prefetch
from services.ingest.parse.reasons import Reject
from services.ingest.parse.refusals import ChunkRefused
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.reconnect import Lifeline
from shared.errors import BadInputFile, ImportCanceled
from shared.row_reasons import ROW_REASONS, by_frequency

P = TypeVar("P", bound=ParsedChunk)
P_contra = TypeVar("P_contra", bound=ParsedChunk, contravariant=True)
OnChunk = Callable[[Chunk, int], None]  # the committed chunk, and its number of rows


class ChunkWriter(Protocol[P_contra]):
    """Writes through one connection. `write_chunk` commits a chunk, `finish_table` the work left for the end."""

    def write_chunk(self, parsed: P_contra, /) -> None: ...
    def finish_table(self, end_byte: int, /) -> None: ...


class TooManyRejects(ChunkRefused):
    """A chunk with more rejected rows than the limit allows."""

    def __init__(self, parsed: ParsedChunk, limit: float, offers: Sequence[str] = ()) -> None:
        self.rejects = parsed.rejects
        first = self.rejects[0]
        counts = by_frequency(Counter(reject.reason for reject in parsed.rejects))
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts)
        fix = " ".join([*offers, "Or correct" if offers else "Correct"])
        super().__init__(
            "reject_threshold",
            f"{_describe_share(parsed)} ({reasons}), more than the limit of {limit:.0%}. Line {first.line:,}:"
            f" {ROW_REASONS[first.reason]}. {fix} the file, or raise UPTILL_REJECT_LIMIT (--reject-limit)",
        )


def _describe_share(parsed: ParsedChunk) -> str:
    """Return how many rows of a chunk were rejected."""
    rejected, read, line = len(parsed.rejects), parsed.rows_read, parsed.chunk.first_line
    if read == 1:
        return f"the only row (line {parsed.rejects[0].line:,}) was rejected"
    some = f"all {read:,}" if rejected == read else f"{rejected:,} of {read:,}"
    return f"{some} rows from line {line:,} on were rejected"


@dataclass(frozen=True)
class ChunkLoader:
    """Loads the chunks of one import. `on_chunk` is called after each commit.

    `offer_fixes` returns sentences on how rejected rows could be read.
    """

    lifeline: Lifeline
    ledger: ImportLedger
    reject_limit: float
    on_chunk: OnChunk
    offer_fixes: Callable[[Sequence[Reject]], Sequence[str]] = lambda _: ()

    def load_chunks(
        self,
        chunks: Iterator[P],
        make_writer: Callable[[psycopg.Connection], ChunkWriter[P]],
        *,
        keeps_chunks: bool,
    ) -> None:
        """Write all chunks and finish the table. Raise `BadInputFile` and `ImportCanceled`.

        `keeps_chunks`: finish the committed chunks even if the rest is refused.
        """
        writer = _ResumingWriter(make_writer, self.ledger)
        try:
            with prefetch(chunks) as parsed_chunks:
                # While the first chunk is parsed.
                self.lifeline.run_until_done(writer.open)
                for parsed in parsed_chunks:
                    if len(parsed.rejects) > self.reject_limit * parsed.rows_read:
                        raise TooManyRejects(parsed, self.reject_limit, self.offer_fixes(parsed.rejects))
                    self.lifeline.run_until_done(partial(writer.write_chunk, parsed))
                    self.on_chunk(parsed.chunk, parsed.rows_read)
        except (BadInputFile, ImportCanceled) as end:
            if isinstance(end, ImportCanceled):
                self.ledger.ignore_cancellation()
            if keeps_chunks:
                self.lifeline.run_until_done(writer.finish_table)
            raise
        self.lifeline.run_until_done(writer.finish_table)


class _ResumingWriter(Generic[P]):
    """A writer that outlives its connection, and skips what the ledger says is done. Its calls may be repeated."""

    def __init__(
        self, make_writer: Callable[[psycopg.Connection], ChunkWriter[P]], ledger: ImportLedger
    ) -> None:
        self._make_writer = make_writer
        self._ledger = ledger
        self._writer: ChunkWriter[P] | None = None
        self._writes_through: psycopg.Connection | None = None

    def open(self) -> None:
        """Prepare the connection."""
        self._current_writer()

    def write_chunk(self, parsed: P) -> None:
        """Write the chunk, unless it is committed."""
        if not self._ledger.has_written(parsed.chunk):
            self._ledger.begin_chunk(parsed.chunk, parsed.encoding)
            self._current_writer().write_chunk(parsed)

    def finish_table(self) -> None:
        """Finish what is committed. Without a committed chunk there is nothing to do."""
        if self._ledger.checkpoint:
            self._current_writer().finish_table(self._ledger.checkpoint.end_byte)

    def _current_writer(self) -> ChunkWriter[P]:
        if self._writer is None or self._writes_through is not self._ledger.conn:
            self._writes_through = self._ledger.conn
            self._writer = self._make_writer(self._ledger.conn)
        return self._writer

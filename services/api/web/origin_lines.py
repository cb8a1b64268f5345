"""Say where the polls of a stretch came from: polls of one part of a file, or of one call, are one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from services.api.context import ApiContext
from services.api.use_cases.explained_store import PollOrigin
from services.api.use_cases.poll_origins import read_poll_origins
from services.api.use_cases.stores import StoreRow
from services.api.web.store_view import LedgerEntry
from shared.db.connect import autocommitting_async
from shared.keys import ApiKey

MOST_POLLS = 1_000


@dataclass(frozen=True)
class OriginLine:
    """Polls with the same origin: the first and the last instant, and what is known of the import."""

    first_us: int
    last_us: int
    polls: int
    source: str | None
    lines: str
    import_id: UUID | None


async def read_origin_lines(
    context: ApiContext, key: ApiKey, store: StoreRow, chosen: LedgerEntry | None
) -> Sequence[OriginLine]:
    """Return the origins of the polls behind the chosen stretch.

    A key that is limited to some stores sees none: an import holds other stores too.
    """
    polls_us = () if chosen is None else chosen.segment.polls_us
    if not polls_us or key.visible.labels is not None:
        return []
    async with autocommitting_async(context.pools.reading) as conn:
        range_us = polls_us[0], polls_us[-1]
        found = await read_poll_origins(conn, context.sealed, store, range_us, MOST_POLLS)
    return join_origins(found)


def join_origins(polls: Sequence[PollOrigin]) -> list[OriginLine]:
    """Return a line for each run of polls with the same origin."""
    runs = groupby(polls, key=lambda poll: (poll.source, poll.import_id, poll.first_line, poll.last_line))
    return [_describe(list(run)) for _, run in runs]


def _describe(run: Sequence[PollOrigin]) -> OriginLine:
    poll = run[0]
    lines = "" if poll.first_line is None else f"lines {poll.first_line:,} to {poll.last_line:,}"
    if poll.first_line is not None and poll.first_line == poll.last_line:
        lines = f"line {poll.first_line:,}"
    return OriginLine(poll.at_us, run[-1].at_us, len(run), poll.source, lines, poll.import_id)

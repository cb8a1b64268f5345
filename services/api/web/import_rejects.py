"""Rejected rows by reason, each with what to write instead. A file can have millions of them: the first are read."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.api.web.import_view import ShownReject
from shared.reject_advice import WayIn, advise

SHOWN_ROWS: Final = 20  # of each reason
_MOST_BYTES: Final = 1 << 20
_COLUMNS: Final = 5
_WITH_FIELD: Final = frozenset({"status", "timestamp", "date_format", "tz_missing", "effective_from"})


@dataclass(frozen=True)
class RejectGroup:
    """The rows with one reason: how many there are, how they came in, what to write instead, and the first of them."""

    reason: str
    way: WayIn
    count: int
    rows: Sequence[ShownReject]

    @property
    def advice(self) -> str:
        """What is wrong and what to write."""
        unknown = "this release has no text for this reason: see the reference of reasons"
        return advise(self.reason, self.way) or unknown

    @property
    def has_field(self) -> bool:
        """Whether the form of uploads has a field that can make such rows readable."""
        return self.way == "file" and self.reason in _WITH_FIELD


async def read_first_rejects(blocks: AsyncIterator[bytes]) -> Sequence[ShownReject]:
    """Return the first rows of the CSV that the ingest service streams."""
    came = bytearray()
    is_whole = True
    async for block in blocks:
        came += block
        if len(came) > _MOST_BYTES:
            is_whole = False
            break
    rows = list(csv.reader(io.StringIO(came.decode("utf-8", "replace"), newline="")))
    whole = rows[1:] if is_whole else rows[1:-1]
    return [
        ShownReject(line=int(line), reason=reason, raw=raw, source=source.removeprefix("hook "))
        for line, _, reason, raw, source in (row for row in whole if len(row) == _COLUMNS)
        if line.isdecimal()
    ]


def title_sources(rows: Sequence[ShownReject], way: WayIn) -> str:
    """Return the title of the column that says where each row comes from; empty if all come from the same file."""
    several_files = "File" if len({row.source for row in rows}) > 1 else ""
    return {"hook": "Hook", "kafka": "Message"}.get(way, several_files)


def group_rejects(
    rows: Iterable[ShownReject], counts: Mapping[str, int], way: WayIn = "file"
) -> Sequence[RejectGroup]:
    """Return the rows by reason, the most frequent first. `counts` has how many rows there are, if that is known."""
    by_reason: dict[str, list[ShownReject]] = {reason: [] for reason in counts}
    for row in rows:
        by_reason.setdefault(row.reason, []).append(row)
    groups = [
        RejectGroup(reason, way, counts.get(reason, len(found)), found[:SHOWN_ROWS])
        for reason, found in by_reason.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.reason))

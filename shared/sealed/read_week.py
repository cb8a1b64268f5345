"""Read polls of a sealed week from the bucket. Every byte that is used has the SHA-256 that the week's row says."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from shared.errors import ObjectCorrupt
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import SealedWeek, WeekPiece
from shared.storage import Storage
from shared.uptime.intervals import Int64s


def read_week(
    storage: Storage,
    week: SealedWeek,
    store_ids: Sequence[str],
    store_keys: Int64s,
    range_us: tuple[int, int],
) -> SealedRows:
    """Return the polls of some stores between two instants, both included, by store id and time.

    Raises `StorageUnavailable`, and `ObjectGone` or `ObjectCorrupt` with the name of the object.
    """
    wanted = sorted(store_ids)
    numbers = [number for number, group in enumerate(week.groups) if group.holds_any(wanted)]
    if not numbers:
        return SealedRows.join([])
    rows = read_groups(storage, week, numbers)
    of_stores = np.isin(rows.store_key, store_keys)
    return rows.pick(of_stores & (rows.at_us >= range_us[0]) & (rows.at_us <= range_us[1]))


def read_groups(storage: Storage, week: SealedWeek, numbers: Sequence[int]) -> SealedRows:
    """Return all polls of some row groups, in the order of the file. Raises as `read_week` does."""
    # The import takes 0.2 s and 40 MB.
    from shared.sealed import week_file  # noqa: PLC0415

    pieces = [*_read_pieces(storage, week, numbers), *_read_together(storage, week, [week.footer])]
    return week_file.read_groups(week.key, week.size_bytes, pieces, numbers)


def _read_pieces(
    storage: Storage, week: SealedWeek, numbers: Sequence[int]
) -> Iterator[tuple[WeekPiece, bytes]]:
    """Read row groups that follow each other in one call."""
    for _, run in groupby(enumerate(numbers), key=lambda place: place[1] - place[0]):
        yield from _read_together(storage, week, [week.groups[number] for _, number in run])


def _read_together(
    storage: Storage, week: SealedWeek, pieces: Sequence[WeekPiece]
) -> Iterator[tuple[WeekPiece, bytes]]:
    first = pieces[0].first_byte
    data = storage.read_range(week.key, first, pieces[-1].first_byte + pieces[-1].length - first)
    for piece in pieces:
        part = data[piece.first_byte - first :][: piece.length]
        if hashlib.sha256(part).hexdigest() != piece.sha256:
            raise ObjectCorrupt(
                f"the object {week.key} has changed: the SHA-256 of its bytes from {piece.first_byte:,} on is not the"
                " stored one"
            )
        yield piece, part

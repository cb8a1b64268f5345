"""Merge the parts of a summary into its file. Must not know the database."""

from collections.abc import Callable, Sequence

from services.worker.merge import Columns, read_part
from services.worker.summary.lines import render_lines
from shared.reports.formats import STORED_CSV_TYPE
from shared.reports.model import Part
from shared.storage import Storage, StoredObject
from shared.uptime.window import parse_windows, with_previous


def merge_summary(
    storage: Storage,
    key: str,
    parts: Sequence[Part],
    columns: Columns,
    windows: Sequence[str],
    before_part: Callable[[], None],
) -> tuple[StoredObject, int]:
    """Write the CSV to `key`; return it and how many rows it has. Raises as `merge_parts` does."""
    # The import takes half a second and 60 MB.
    from services.worker.summary.add_up import add_up_parts, read_part_rows  # noqa: PLC0415

    frames = []
    for part in parts:
        before_part()
        frames.append(read_part_rows(read_part(storage, part, columns).data, header=part.batch_no == 0))
    before_part()
    asked = parse_windows(windows)
    _, places = with_previous(asked)
    names = [window.name for window in asked]
    compared = {name for name, place in zip(names, places, strict=True) if place is not None}
    rows = add_up_parts(frames, names)
    data = render_lines(rows, frozenset(compared))
    return storage.put(key, data, STORED_CSV_TYPE), len(rows)

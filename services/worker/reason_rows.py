"""Turn down time by reason into the lines of its file. Must not know the database or the storage."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.worker.columns import REASON_COLUMNS
from services.worker.further_lines import FurtherLines
from services.worker.render import render_texts
from services.worker.text_pieces import decimal_seconds, integers, render_lines, texts
from shared.formulas import all_inert
from shared.uptime.notes import NO_REASON
from shared.uptime.outage_reasons import ReasonTimes
from shared.uptime.window import Window


def render_reasons(
    store_ids: Sequence[str],
    found: Sequence[ReasonTimes],
    windows: Sequence[Window],
    words: Mapping[int, str],
    *,
    header: bool,
) -> FurtherLines:
    """Render the down time of each window: by store in the order given, then by window, then by reason, none first.

    `words` are those of the reasons by their numbers.
    """
    head = ",".join(column.name for column in REASON_COLUMNS).encode() + b"\n" if header else b""
    window = np.repeat(np.arange(len(found)), [len(each.store) for each in found])
    store, number, down_us, outages = (
        np.concatenate([getattr(each, name) for each in found]) for name in ReasonTimes.__slots__
    )
    if not len(window):
        return FurtherLines(head, 0)
    numbers, place = np.unique(number, return_inverse=True)
    names = ["" if each == NO_REASON else words[each] for each in numbers.tolist()]
    rank = np.argsort(np.argsort(np.array(names)))[place]
    order = np.lexsort((rank, window, store))
    ids = np.array(render_texts(all_inert(store_ids)), dtype=np.bytes_)
    columns = [
        [ids.take(store[order])],
        [texts(each.name for each in windows).take(window[order])],
        [texts(names).take(place[order])],
        decimal_seconds(down_us[order]),
        integers(outages[order]),
    ]
    return FurtherLines(head + render_lines(columns, len(order)), len(order))

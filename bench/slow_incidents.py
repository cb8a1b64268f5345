"""Incidents of a day, slowly, from the file of outages of a finished report: line after line, sharing no line with the engine."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import NamedTuple

_MINUTE_US = 60_000_000
_SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SeenOutage(NamedTuple):
    """An outage that an evaluation every minute can see: its first inactive poll, and the next active one."""

    store_id: str
    first_us: int
    up_us: int | None


def seen_outages(file: Path, from_us: int, begin_us: int, end_us: int) -> set[SeenOutage]:
    """Return the incidents whose first inactive poll is on the day, if rules are evaluated each minute from `from_us` on."""
    of_store: dict[str, list[SeenOutage]] = defaultdict(list)
    for outage in _read(file, from_us):
        of_store[outage.store_id].append(outage)
    found = chain.from_iterable(_as_evaluated(sorted(some), from_us) for some in of_store.values())
    return {each for each in found if begin_us <= each.first_us < end_us - _MINUTE_US}


def _as_evaluated(outages: Sequence[SeenOutage], from_us: int) -> Iterator[SeenOutage]:
    """Yield the outages of a store as evaluations see them.

    Two with no evaluation between them are one incident, with a flap. So are two without an active poll between them.
    """
    last: SeenOutage | None = None
    for outage in outages:
        if last is None:
            last = outage
        elif last.up_us is None or _next_evaluation(last.up_us, from_us) >= outage.first_us:
            last = last._replace(up_us=outage.up_us)
        else:
            yield last
            last = outage
    if last is not None:
        yield last


def _next_evaluation(at_us: int, from_us: int) -> int:
    return max(from_us, at_us + (from_us - at_us) % _MINUTE_US)


def _read(file: Path, from_us: int) -> Iterator[SeenOutage]:
    """Yield the outages but those that begin and end between two evaluations, by an active poll or by a closing.

    An outage that ends on a whole second ends with a closing: polls have fractions.
    """
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            names = ("first_down_poll_at", "first_up_poll_at", "ended_at")
            first_us, up_us, ended_us = (_instant(row[name]) for name in names)
            if first_us is None:
                continue
            closed_us = ended_us if ended_us is not None and ended_us % _SECOND_US == 0 else None
            evaluated_us = _next_evaluation(first_us, from_us)
            if all(until is None or evaluated_us < until for until in (up_us, closed_us)):
                yield SeenOutage(row["store_id"], first_us, up_us)


def _instant(text: str) -> int | None:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) if text else None

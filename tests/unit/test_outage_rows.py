"""The lines of the file of outages, next to those that the oracle writes one value after the other."""

import csv
import io
import random
from datetime import UTC, datetime

import numpy as np
import pytest

from services.worker import outage_rows
from services.worker.further_lines import FurtherLines
from services.worker.outage_rows import render_outages
from shared.uptime.outages import NO_INSTANT, End, Outages
from shared.uptime.window import parse_windows
from tests.oracle.adjusted import WORDS
from tests.oracle.engine import REASONS
from tests.oracle.outage_file import outages_file
from tests.oracle.outages import Outage

ZONES = [None, "Asia/Kathmandu", "America/St_Johns", "Etc/GMT+12", "Pacific/Kiritimati", "Europe/Berlin"]
IDS = ["a", "0042", "=1+1", 'quote"d', "a;=b", "é" * 40]
WINDOWS = parse_windows(["last_hour", "P30D"])
# The night in which Berlin and St. John's change their clocks in the same week.
FIRST_US = int(datetime(2024, 10, 24, tzinfo=UTC).timestamp()) * 1_000_000
LAST_US = int(datetime(2024, 11, 6, tzinfo=UTC).timestamp()) * 1_000_000


def drawn(draw: random.Random) -> Outage:
    def maybe() -> int | None:
        return draw.choice([None, draw.randrange(FIRST_US, LAST_US)])

    ended = draw.choice([None, draw.randrange(FIRST_US, LAST_US)])
    return Outage(
        draw.randrange(FIRST_US, LAST_US),
        ended,
        draw.choice(["up", "unknown"]) if ended else "ongoing",
        draw.choice([0, 5, 59_999_999, draw.randrange(700_000_000_000)]),
        draw.choice([0, 1, 10, 99, 100, draw.randrange(5000)]),
        draw.random() < 0.5,
        draw.random() < 0.5,
        maybe(),
        maybe(),
        maybe(),
        maybe(),
        draw.choice([(), (), ("busy",), ("technical", "busy")]),
    )


def as_arrays(outages: list[tuple[int, Outage]]) -> Outages:
    ends = {"up": End.UP, "unknown": End.UNKNOWN, "ongoing": End.ONGOING}
    rows = [
        (store, one.started_us, one.ended_us, ends[one.end], one.down_us, one.polls,
         one.began_at_opening, one.starts_before_window,
         one.last_up_poll_us, one.first_down_poll_us, one.last_down_poll_us, one.first_up_poll_us)
        for store, one in outages
    ]  # fmt: skip
    columns = np.array(
        [[NO_INSTANT if value is None else value for value in row] for row in rows], dtype=np.int64
    ).reshape(-1, 12)
    integers, booleans = columns[:, :6].T, columns[:, 6:8].T.astype(np.bool_)
    reasons = np.array(
        ["".join(chr(REASONS[word]) for word in one.reasons) for _, one in outages], dtype=np.str_
    )
    rest = [*integers, *booleans, *columns[:, 8:].T, reasons]
    return Outages(**dict(zip(Outages.__slots__, rest, strict=True)))


def render(found: list[list[tuple[int, Outage]]], *, header: bool = True) -> FurtherLines:
    return render_outages(IDS, ZONES, [as_arrays(window) for window in found], WINDOWS, WORDS, header=header)


@pytest.mark.parametrize("piece", [3, 4096])
def test_lines_equal_the_oracle(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(outage_rows, "_LINES", piece)
    draw = random.Random(piece)
    found = [
        [(store, drawn(draw)) for store in range(len(IDS)) for _ in range(draw.choice([0, 1, 4]))]
        for _ in WINDOWS
    ]
    lines = render(found)
    names = [window.name for window in WINDOWS]
    safe = {"=1+1": "'=1+1", 'quote"d': '"quote""d"', "a;=b": '"a;=b"'}
    expected = [
        outages_file({safe.get(IDS[store], IDS[store]): (zone, by_window)}).splitlines()
        for store, zone in enumerate(ZONES)
        for by_window in [
            {
                name: [one for place, one in found[number] if place == store]
                for number, name in enumerate(names)
            }
        ]
    ]
    assert lines.data.splitlines() == [expected[0][0], *(line for some in expected for line in some[1:])]
    assert lines.rows == len(found[0]) + len(found[1])
    read = list(csv.reader(io.StringIO(lines.data.decode())))
    assert {len(row) for row in read} == {16}


def test_nothing_but_a_header_without_outages() -> None:
    lines = render([[], []])
    assert (lines.rows, lines.data.count(b"\n")) == (0, 1)
    assert render([[], []], header=False) == FurtherLines(b"", 0)

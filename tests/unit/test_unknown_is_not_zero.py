"""What is not known is shown as such, and not as 0: sums of printed reports, ages of live state and of messages."""

import math

import pyarrow as pa

from services.api.web.now_view import Freshness
from services.ingest.kafka.message import Message, Partition, oldest_age_s
from services.worker.columns import STORE_ID, Column
from services.worker.printed.figures import Figures, describe_figures
from services.worker.printed.fleet_page import FleetRows, add_up
from shared.pictures.words import NO_VALUE
from shared.uptime.window import parse_windows
from tests.fixtures.printed import sheet_terms

COLUMNS = [STORE_ID, Column("uptime", "minutes", "up_us"), Column("downtime", "minutes", "down_us")]
TIMES = ("share", "open", "up", "down", "unknown", "excluded")


def shown(figures: list[Figures]) -> list[str]:
    (row,) = describe_figures(parse_windows(["last_day"]), figures, [""])
    return [row[name] for name in TIMES]


def test_a_printed_report_shows_a_dash_for_a_sum_that_is_unknown() -> None:
    fleet = FleetRows(COLUMNS, sheet_terms("last_day"))
    assert shown(fleet.totals()) == [NO_VALUE] * 6, "no store could be computed"
    rows = {"store_id": ["a", "b"], "uptime": [30.0, 0.0], "downtime": [30.0, 0.0]}
    fleet.add(pa.RecordBatch.from_pydict(rows))
    assert shown(fleet.totals()) == ["50.00 %", NO_VALUE, "30 min", "30 min", NO_VALUE, NO_VALUE]
    measured, partly = Figures(60_000_000, 0, 60_000_000, 0, 0), Figures(60_000_000, 0)
    assert shown(add_up([[measured], [measured]], 1)) == [
        "100 %",
        "2 min 00 s",
        "2 min 00 s",
        "0 s",
        "0 s",
        "0 s",
    ]
    assert shown(add_up([[measured], [partly]], 1)) == [
        "100 %",
        NO_VALUE,
        "2 min 00 s",
        "0 s",
        NO_VALUE,
        NO_VALUE,
    ]
    assert shown(add_up([], 1)) == [NO_VALUE] * 6


def test_live_state_that_was_not_refreshed_has_no_age() -> None:
    fresh = Freshness(None, None, 60.0)
    assert (fresh.age, fresh.is_old) == (None, False)


def test_messages_without_a_time_have_no_age() -> None:
    of, without = Message(Partition("polls", 0), 1, 5_000, b""), Message(Partition("polls", 0), 2, -1, b"")
    assert oldest_age_s([], 7.0) == 0
    assert oldest_age_s([of, without], 7.0) == 2
    assert math.isnan(oldest_age_s([without], 7.0))

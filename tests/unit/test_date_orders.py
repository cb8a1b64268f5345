"""A date format that the rows of a file contradict: day, month and short year in another order."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.header import read_header
from services.ingest.parse.order_proof import OrderRefused, tells_order
from services.ingest.parse.polls import PollParser
from services.ingest.parse.reading import Reading
from shared.clock import to_us
from shared.date_orders import list_other_orders

LAYOUT = read_header(b"store_id,status,timestamp_utc")
NOW = to_us(datetime(2024, 11, 3, tzinfo=UTC))
US, EUROPEAN = "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"


@pytest.mark.parametrize(
    ("given", "others"),
    [
        (US, [EUROPEAN]),
        ("%d.%m.%y", ["%m.%d.%y", "%y.%d.%m", "%y.%m.%d"]),
        ("%y%m%d", ["%y%d%m", "%m%d%y", "%d%m%y"]),
        ("%D %T", ["%d/%m/%y %T", "%y/%m/%d %T", "%y/%d/%m %T"]),
        ("%F", ["%Y-%d-%m"]),
        ("%-e/%m/%Y", ["%m/%-e/%Y"]),
        ("%d %b %y", ["%y %b %d"]),
        ("%b %d %Y", []),
        ("%%d %Y", []),
    ],
)
def test_other_orders(given: str, others: list[str]) -> None:
    assert list(list_other_orders(given)) == others


def days(first: date, number: int, written: str) -> list[str]:
    return [f"{first + timedelta(day):{written}} 09:00" for day in range(number)]


def chunk_of(times: list[str]) -> Chunk:
    data = "".join(f"a,active,{at}\n" for at in times).encode()
    return Chunk(2, 30, 30 + len(data), data)


def refuse(times: list[str], date_format: str) -> OrderRefused:
    parser = PollParser(LAYOUT, Reading.parse(date_format=date_format))
    with pytest.raises(OrderRefused) as refused:
        parser.parse_chunk(chunk_of(times), NOW)
    assert refused.value.reason == "date_order"
    return refused.value


def accept(times: list[str], date_format: str) -> tuple[int, list[str]]:
    parsed = PollParser(LAYOUT, Reading.parse(date_format=date_format)).parse_chunk(chunk_of(times), NOW)
    return len(parsed.deduped.polls), [reject.reason for reject in parsed.rejects]


@pytest.mark.parametrize(
    ("written", "given", "right"),
    [
        ("%d/%m/%Y", US, EUROPEAN),
        ("%m/%d/%Y", EUROPEAN, US),
        ("%d.%m.%y", "%m.%d.%y %H:%M", "%d.%m.%y %H:%M"),
        ("%y.%m.%d", "%d.%m.%y %H:%M", "%y.%m.%d %H:%M"),
        ("%Y-%m-%d", "%Y-%d-%m %H:%M", "%Y-%m-%d %H:%M"),
    ],
)
def test_rows_that_only_another_order_reads_refuse_the_chunk(written: str, given: str, right: str) -> None:
    refused = refuse(days(date(2024, 10, 1), 31, written), given)
    assert f"--date-format '{right}'" in str(refused)
    assert "no row fits only the given format" in str(refused)
    assert len(refused.rejects) > 1


def test_the_message_shows_a_date_that_does_not_exist() -> None:
    refused = refuse(days(date(2024, 10, 1), 20, "%d/%m/%Y"), US)
    assert "10 rows from line 2 on, such as '13/10/2024 09:00' (line 14)" in str(refused)
    assert [(reject.line, reject.reason) for reject in refused.rejects][1:3] == [
        (13, "future"),
        (14, "date_format"),
    ]


def test_one_row_is_proof_unless_a_hundred_rows_prove_the_given_order() -> None:
    stray = ["25/12/2023 09:00"]
    refuse(["01/02/2024 09:00", *stray], US)
    right = [f"10/13/2024 {hour:02}:{minute:02}" for hour in range(5) for minute in range(20)]
    assert "dates are written in two orders: 1 row" in str(refuse([*right[:99], *stray], US))
    assert "only the given" in str(refuse([*right[:99], *stray], US))
    assert accept([*right, *stray], US) == (100, ["date_format"])


@pytest.mark.parametrize(
    ("times", "reasons"),
    [
        (days(date(2024, 10, 1), 31, "%m/%d/%Y"), []),
        (days(date(2024, 10, 1), 10, "%d/%m/%Y"), []),
        (
            [*days(date(2024, 10, 1), 12, "%m/%d/%Y"), "02/30/2024 09:00", "soon", "10.04.2024"],
            ["date_format"] * 3,
        ),
        (["11/03/2024 10:00"], ["future"]),
        (["11/04/2024 23:00"], ["future"]),
    ],
)
def test_rows_that_no_other_order_reads_prove_nothing(times: list[str], reasons: list[str]) -> None:
    assert accept(times, US)[1] == reasons


def test_a_sample_tells_the_order_of_a_chunk() -> None:
    unclear = days(date(2024, 10, 1), 12, "%m/%d/%Y") * 100
    assert not tells_order(chunk_of(unclear), LAYOUT, NOW, US)
    for written in ("%m/%d/%Y", "%d/%m/%Y"):
        clear = days(date(2024, 10, 13), 10, written) * 100
        assert tells_order(chunk_of([*unclear, *clear]), LAYOUT, NOW, US)

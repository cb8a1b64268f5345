"""Files of downtime as platforms and spreadsheets write them."""

from datetime import date, datetime
from pathlib import Path

import pytest

from services.cli.platform_file import PlatformRow, find_repeated, parse_columns, read_platform_file
from shared.errors import InvalidRequest


def read(
    tmp_path: Path, data: bytes | str, columns: str | None = None, date_format: str | None = None
) -> tuple[list[PlatformRow], list[str]]:
    file = tmp_path / "platform.csv"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_platform_file(file, parse_columns(columns), date_format)


def test_fields_with_their_own_names_need_no_mapping(tmp_path: Path) -> None:
    rows, faults = read(tmp_path, "Store ID,Date,Down Minutes,note\n0042,2024-10-10,90,x\n\n,,,\n")
    assert not faults
    ((line, time, figure),) = ((row.line, row.time, row.figure) for row in rows)
    assert (line, time) == (2, "2024-10-10")
    assert (figure.store_id, figure.day, figure.down_s) == ("0042", date(2024, 10, 10), 5400)


def test_columns_dates_and_numbers_as_written_elsewhere(tmp_path: Path) -> None:
    text = "\ufeffFiliale;Tag;Verfügbar\r\nMünchen;10/11/2024;99,5 %\r\n"
    rows, _ = read(tmp_path, text, "store=filiale,date=Tag,uptime_percent=verfügbar", "%d/%m/%Y")
    assert (rows[0].figure.store_id, rows[0].figure.day) == ("München", date(2024, 11, 10))
    assert rows[0].figure.uptime_percent == 99.5
    again, _ = read(
        tmp_path,
        text.removeprefix("\ufeff").encode("cp1252"),
        "store=Filiale,date=Tag,uptime_percent=Verfügbar",
        "%d/%m/%Y",
    )
    assert again == rows


def test_a_window(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "store\tfrom\tto\tdown_hours\na\t2024-10-10T08:00\t2024-10-10 12:00\t0.5\n")
    figure = rows[0].figure
    assert (figure.begin, figure.end) == (datetime(2024, 10, 10, 8), datetime(2024, 10, 10, 12))  # noqa: DTZ001
    assert figure.down_s == 1800


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a,2024-10-10,x", "not a number"),
        ("a,2024-10-10,nan", "not a number"),
        ("a,2024-10-10,-1", "negative"),
        ('a,2024-10-10,"1,234"', "two meanings"),
        ("a,10/10/2024,1", "--date-format"),
        (",2024-10-10,1", "store id is empty"),
        ("a,2024-10-10", "2 fields"),
        ("a,2024-10-10,99999", "31 days"),
        ("a,1994-10-10,1", "2000 to 2100"),
        ("a\u200bb,2024-10-10,1", "invisible"),
        ("a,2024-10-10,1_000", "not a number"),
        ('"a"b,2024-10-10,1', "a quote within a field twice"),
        ('a,2024-10-10,"1\nb,2024-10-11,1', "a quoted field is not closed"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, row: str, told: str) -> None:
    rows, faults = read(tmp_path, f"store,date,down_minutes\nb,2024-10-10,1\n{row}\n")
    assert len(rows) == 1
    (fault,) = faults
    assert fault.startswith("line 3")
    assert told in fault


@pytest.mark.parametrize(
    ("numbers", "minutes"),
    [
        (["1,234.5", "1.234"], [1234.5, 1.234]),
        (["1.234,5", "1.234.567,5", "2,5"], [1234.5, 1234567.5, 2.5]),
    ],
)
def test_numbers_with_thousands(tmp_path: Path, numbers: list[str], minutes: list[float]) -> None:
    lines = [f"a;2024-10-{day};{number}" for day, number in enumerate(numbers, 10)]
    rows, faults = read(tmp_path, "\n".join(["store;date;down_seconds", *lines]))
    assert ([row.figure.down_s for row in rows], faults) == (minutes, [])


def test_thousands_or_decimals_is_unclear_beside_decimal_commas(tmp_path: Path) -> None:
    rows, (fault,) = read(tmp_path, "store;date;down_seconds\na;2024-10-10;1.234\na;2024-10-11;0,5\n")
    assert [row.figure.down_s for row in rows] == [0.5]
    assert fault.startswith("line 2: the number '1.234' has two meanings")


def test_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path, 'store,date,down_minutes,note\na,2024-10-10,1,"two\nlines"\nb,2024-10-10,1,\u2028\n'
    )
    assert [(row.line, row.figure.store_id) for row in rows] == [(2, "a"), (4, "b")]


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("2024-10-10,2024-10-11", "no time of day"),
        ("2024-10-10T18:00Z,2024-10-10T19:00", "only one of from and to"),
        ("2024-10-10T18:00,2024-10-10T17:00", "is empty"),
        ("2024-10-01T00:00Z,2024-12-01T00:00Z", "longer than 31 days"),
    ],
)
def test_a_window_that_the_service_would_refuse_costs_its_row(tmp_path: Path, window: str, told: str) -> None:
    good = "b,2024-10-10T18:00,2024-10-10T19:00,1"
    rows, (fault,) = read(tmp_path, f"store,from,to,down_minutes\n{good}\na,{window},1\n")
    assert [row.figure.store_id for row in rows] == ["b"]
    assert told in fault


def test_the_line_with_the_separator_of_spreadsheets(tmp_path: Path) -> None:
    rows, faults = read(tmp_path, "sep=;\nstore;date;down_minutes\na;2024-10-10;1,5\nb;x;1\n")
    assert [row.figure.down_s for row in rows] == [90]
    assert faults[0].startswith("line 4")


def test_uptime_as_a_fraction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"98\.5 for 98\.5 %"):
        read(tmp_path, "store,date,uptime_percent\na,2024-10-10,0.985\nb,2024-10-10,0\n")


@pytest.mark.parametrize(
    ("header", "columns", "told"),
    [
        ("", None, "first line is empty"),
        ("store,date", None, "down_minutes"),
        ("store,down_minutes", None, "date"),
        ("store,from,down_minutes", None, "from and to"),
        ("store,date,down_minutes,down_seconds", None, "one of"),
        ("store,date,down_minutes", "store=Outlet", "no column 'Outlet'"),
        ("store,date,down_minutes", "shop=store", "FIELD=COLUMN"),
        ("store,date,down_minutes", "date=a,date=b", "names date twice"),
        ("store,date,Date,down_minutes", None, "more than one column is date"),
        ("store,store_id,date,down_minutes", None, "more than one column is store"),
        ("store,date\0", None, "zero bytes"),
    ],
)
def test_a_file_without_the_needed_columns(
    tmp_path: Path, header: str, columns: str | None, told: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read(tmp_path, f"{header}\n", columns)
    assert told in str(refusal.value)


def test_figures_that_are_there_twice_are_named(tmp_path: Path) -> None:
    header = "store,date,down_minutes"
    rows, _ = read(tmp_path, f"{header}\na,2024-10-10,9\nb,2024-10-10,9\na,2024-10-11,9\n")
    assert find_repeated(rows) is None
    rows, _ = read(tmp_path, f"{header}\na,2024-10-10,9\nb,2024-10-10,9\na,2024-10-10,30\n")
    assert "1 figure is there more than once, such as store a, 2024-10-10 (lines 2 and 4)" in str(
        find_repeated(rows)
    )


def test_a_total_and_two_figures_in_a_row_are_told(tmp_path: Path) -> None:
    _, (fault,) = read(tmp_path, "store,date,down_minutes\na,2024-10-10,9\nTotal,,9\n")
    assert fault.startswith("line 3: the date is empty")
    with pytest.raises(InvalidRequest, match="the columns down_minutes and uptime_percent"):
        read(tmp_path, "store,date,down_minutes,uptime_percent\na,2024-10-10,9,99\n")


@pytest.mark.parametrize("days", [("10/10/2024", "13/10/2024"), ("01/02/2024", "12/11/2024", "31/01/2024")])
def test_dates_that_only_the_other_order_reads_refuse_the_file(tmp_path: Path, days: tuple[str, ...]) -> None:
    text = "store,date,down_minutes\n" + "".join(f"0042,{day},5\n" for day in days)
    with pytest.raises(InvalidRequest, match="Give --date-format %d/%m/%Y"):
        read(tmp_path, text, date_format="%m/%d/%Y")
    assert read(tmp_path, text, date_format="%d/%m/%Y")[1] == []


def test_other_faults_of_dates_are_faults_of_their_rows(tmp_path: Path) -> None:
    text = "store,date,down_minutes\n0042,10/13/2024,5\n0042,31/06/2024,5\n0042,soon,5\n"
    assert len(read(tmp_path, text, date_format="%m/%d/%Y")[1]) == 2

"""Lines below a table that are not rows of it: totals in many languages, and ends of reports."""

import pytest

from services.ingest.parse.chunks import open_table
from services.ingest.parse.local_hours import parse_local_hours
from services.ingest.parse.parsed import ParsedLocalHours

ZONES = "store_id,timezone_str"
LAST_LINES = (
    "Sum|Summe|Gesamt|Gesamtergebnis|Totale|Total général|Suma total|Totaal|Yhteensä|Razem|Celkem|Toplam|Итого|合計|Count|Anzahl"
    "|Total 3|Total (3)|Total rows: 3|Total stores 3|Summe 3|3 stores|3 rows|(3 rows)|3 Zeilen|3 magasins|3 строки|End of report"
    "|합계|총계 3|إجمالي|المجموع|المجموع الكلي|סה״כ|Subtotal North|--- End of report ---|Ende des Berichts|Fin du rapport|Page 1 of 1|Exported on 2024-10-14|---|====="
)


@pytest.mark.parametrize("last", LAST_LINES.split("|"))
@pytest.mark.parametrize(
    ("header", "row", "beside"),
    [
        (ZONES, "UTC", ""),
        ("store_id,opened_at,closed_at", "2024-05-01T00:00:00Z,", ","),
        ("store_id,name", "Shop", "3"),
        ("store_id,day_of_week,start_time_local,end_time_local", "0,09:00,17:00", "3,,"),
    ],
)
def test_the_last_lines_of_an_export_are_not_stores(header: str, row: str, beside: str, last: str) -> None:
    rows = [*(f"{store},{row}" for store in "abc"), f"{last},{beside}"]
    parsed = parse(header, *rows, "(3 rows)")
    assert [(one.line, one.reason) for one in parsed.rejects] == [(5, "summary_row"), (6, "summary_row")]
    assert (len(parsed.valid["line"]), parsed.held) == (3, [])


@pytest.mark.parametrize(
    "rows",
    [
        ("Total 7,2024-05-01T00:00:00Z,", "a,,"),  # a row of a store follows
        ("a,,", "Total 7,2024-05-01T00:00:00Z,"),  # and a text stands beside it
        ("Total 6,,", "Total 7,,"),
        ("a,,", "Total Wine,,"),
        ("a,,", "7 Eleven,,"),
        ("Count,,", "a,,"),
        ("Sum 41,,", "a,,"),
    ],
)
def test_a_store_may_be_called_like_a_total(rows: tuple[str, ...]) -> None:
    assert parse("store_id,opened_at,closed_at", *rows).rejects == []


HOURS = "store_id,day_of_week,start_time_local,end_time_local"


@pytest.mark.parametrize(
    "footer", ["합계,3,,", "المجموع,,,", "Subtotal North,3,,", "End of report,,,", "Page 1 of 3", "Count,,,"]
)
def test_a_footer_in_the_middle_is_not_a_store(footer: str) -> None:
    parsed = parse(HOURS, "a,0,09:00,17:00", footer, "b,0,09:00,17:00")
    assert [(one.line, one.reason) for one in parsed.rejects] == [(3, "summary_row")]
    assert (len(parsed.valid["line"]), parsed.held) == (2, [])


@pytest.mark.parametrize("row", ["Count,,,", "Total 7,,,", "Count,9,09:00,17:00", "Page,,,"])
def test_a_store_with_an_incomplete_row_in_the_middle_is_one(row: str) -> None:
    parsed = parse(HOURS, f"{row.partition(',')[0]},0,09:00,17:00", row, "b,0,09:00,17:00")
    assert [(one.line, one.reason) for one in parsed.rejects] == [(3, "day")]
    assert len(parsed.held) == 1


def parse(*lines: str) -> ParsedLocalHours:
    layout, chunks = open_table(iter(["\n".join(lines).encode()]))
    (chunk,) = chunks
    return parse_local_hours(chunk, layout)

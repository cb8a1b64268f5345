"""Every row of the page "How values may be written" is parsed as in a file, and the page lists every registry."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.ingest.parse import written_forms
from services.ingest.parse.chunk import Chunk
from services.ingest.parse.column_names import LOOSE_SPELLINGS, SPELLINGS
from services.ingest.parse.date_formats import DIRECTIVES
from services.ingest.parse.days import DAY_NAMES, NumbersUsed, find_first_numbers
from services.ingest.parse.header import read_header
from services.ingest.parse.header_fields import SEPARATORS
from services.ingest.parse.kinds import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from services.ingest.parse.local_hours import parse_local_hours
from services.ingest.parse.polls import PollParser, validate_polls
from services.ingest.parse.rows import split_rows
from services.ingest.parse.values_reference import values_reference
from services.ingest.parse.written_forms import Form
from services.ingest.parse.zones import FIXED_ZONES
from shared.clock import from_us, to_us
from shared.errors import BadInputFile
from shared.row_reasons import ROW_REASONS
from tests.fixtures.columns import list_values

NOW_US = to_us(datetime(2026, 1, 1, tzinfo=UTC))
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def _chunk(row: str) -> Chunk:
    data = f"{row}\n".encode()
    return Chunk(2, 0, len(data), data)


def _read_poll(form: Form, status: str, instant: str) -> Any:
    layout = read_header(f"store_id,status,{form.header or 'timestamp_utc'}".encode())
    parser = PollParser(layout, form.reading)
    return validate_polls(split_rows(_chunk(f'a,"{status}","{instant}"'), layout), NOW_US, parser.reading)


def _read_local(header: str, row: str) -> Any:
    parsed = parse_local_hours(_chunk(row), read_header(header.encode()))
    if parsed.held:
        return parsed.held[0]
    columns = {name: list_values(values) for name, values in parsed.valid.items()}
    return SimpleNamespace(**{name: value for name, (value,) in columns.items()}, reason=None)


@pytest.mark.parametrize("form", written_forms.STATUSES, ids=str)
def test_statuses(form: Form) -> None:
    polls = _read_poll(form, form.written, "2024-10-14 00:00:00 UTC")
    found = [reject.reason for reject in polls.rejects] or [
        "active" if active else "inactive" for active in polls.active
    ]
    assert found == [form.read_as]


@pytest.mark.parametrize("form", [*written_forms.INSTANTS, *written_forms.FORMATTED], ids=str)
def test_instants(form: Form) -> None:
    polls = _read_poll(form, "active", form.written)
    found = [reject.reason for reject in polls.rejects] or [
        from_us(at).isoformat().replace("+00:00", "Z") for at in polls.at_us.tolist()
    ]
    assert found == [form.read_as]


@pytest.mark.parametrize("form", written_forms.DAYS, ids=str)
def test_days(form: Form) -> None:
    staged = _read_local("store_id,day_of_week,start,end", f"a,{form.written},09:00,10:00")
    if form.is_rejected:
        assert staged.reason == form.read_as
    else:
        day = staged.day_number if staged.day_of_week is None else staged.day_of_week
        assert DAY_NAMES[day] == form.read_as
        # The page shows numbers from 0; a file without 7 is read so.
        assert find_first_numbers({"file": NumbersUsed(zero=True, seven=False)}) == {"file": 0}


@pytest.mark.parametrize("form", written_forms.OPENINGS, ids=str)
def test_openings(form: Form) -> None:
    staged = _read_local("store_id,day_of_week,start,end", f"a,0,{form.written},23:00")
    assert staged.reason == form.read_as if form.is_rejected else _show(staged.opens) == form.read_as


@pytest.mark.parametrize("form", written_forms.CLOSINGS, ids=str)
def test_closings(form: Form) -> None:
    staged = _read_local("store_id,day_of_week,start,end", f"a,0,08:00,{form.written}")
    assert staged.reason == form.read_as if form.is_rejected else _show(staged.closes) == form.read_as


@pytest.mark.parametrize("form", written_forms.DATES, ids=str)
def test_dates(form: Form) -> None:
    special = _read_local("store_id,date,start,end", f"a,{form.written},09:00,10:00")
    dated = _read_local("store_id,day_of_week,start,end,effective_from", f"a,0,09:00,10:00,{form.written}")
    if form.is_rejected:
        assert (special.reason, dated.reason) == (form.read_as, "effective_from")
    else:
        assert (str(special.date), str(dated.date)) == (form.read_as, form.read_as)


@pytest.mark.parametrize("form", written_forms.ZONES, ids=str)
def test_zones(form: Form) -> None:
    staged = _read_local("store_id,timezone_str", f"a,{form.written}")
    assert (staged.reason if form.is_rejected else staged.timezone) == form.read_as


@pytest.mark.parametrize("separator", SEPARATORS)
def test_separators(separator: str) -> None:
    layout = read_header("store_id,timezone_str".replace(",", separator).encode())
    assert layout.separator == separator


@pytest.mark.parametrize(("written", "column"), [*SPELLINGS.items(), *LOOSE_SPELLINGS.items()])
def test_names_of_columns(written: str, column: str) -> None:
    full = [",".join((*REQUIRED_COLUMNS[kind], *OPTIONAL_COLUMNS[kind])) for kind in ("hours", "polls")]
    headers = ("store_id,status,timestamp_utc", *full, *map(",".join, REQUIRED_COLUMNS.values()))
    header = next(header for header in headers if column in header.split(","))
    assert (
        read_header(header.replace(column, written.upper()).encode()) == read_header(header.encode())
        or column == "timestamp_utc"
    )


def test_the_page_lists_every_registry() -> None:
    page = values_reference()
    groups: Sequence[Sequence[str]] = (
        tuple(DIRECTIVES),
        tuple(FIXED_ZONES),
        (*SPELLINGS, *LOOSE_SPELLINGS),
        tuple(written_forms.SEPARATOR_NAMES.values()),
    )
    for group in groups:
        for name in group:
            assert f"`{name}`" in page or f"| {name} |" in page
    rejected = {
        form.read_as for form in (*written_forms.STATUSES, *written_forms.INSTANTS) if form.is_rejected
    }
    assert rejected <= ROW_REASONS.keys()


def test_the_page_shows_every_directive_in_an_example() -> None:
    formats = "".join(form.reading.date_format for form in written_forms.FORMATTED).replace("%B", "%b")
    assert [directive for directive in DIRECTIVES if directive not in formats] == []


def _show(seconds: int) -> str:
    return f"{EPOCH + timedelta(seconds=seconds):%H:%M:%S}"


def test_each_file_numbers_its_days_as_its_own_numbers_say() -> None:
    """Names need no number. A file with neither 0 nor 7 follows the others."""
    zero, seven = (
        NumbersUsed(zero=True, seven=False, distinct=2),
        NumbersUsed(zero=False, seven=True, distinct=2),
    )
    names, neither = NumbersUsed(zero=False, seven=False), NumbersUsed(zero=False, seven=False, distinct=3)
    assert find_first_numbers({"a": zero, "b": seven, "c": names}) == {"a": 0, "b": 1, "c": 0}
    assert find_first_numbers({"b": seven, "c": names, "d": neither}) == {"b": 1, "c": 0, "d": 1}


@pytest.mark.parametrize(
    "header",
    [
        "store_id,timezone_str,weekday,opens,closes",
        "store_id,timezone_str,day_of_week,start_time_local,end_time_local",
        "store_id,status,timestamp_utc,day,open,close",
        "store,tz,weekday,open,close",
        "store_id,status,timestamp_utc,tz",
    ],
)
def test_the_columns_of_two_kinds_are_refused_however_they_are_spelled(header: str) -> None:
    with pytest.raises(BadInputFile, match="more than one kind"):
        read_header(header.encode())

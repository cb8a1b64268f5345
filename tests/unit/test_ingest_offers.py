"""What the messages offer for polls that were rejected: one reading only if the values allow no other."""

import pytest

from services.ingest.parse.date_guesses import guess_formats
from services.ingest.parse.header import read_header
from services.ingest.parse.offers import offer_fixes
from services.ingest.parse.reasons import Reject
from shared.status_words import parse_status_words


def formats(*values: str) -> list[str]:
    guess = guess_formats(values)
    return [] if guess is None else list(guess.formats)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["10/14/2024 9:00", "1/2/2024 19:05"], ["%m/%d/%Y %H:%M"]),
        (["14/10/2024 9:00", "1/2/2024 19:05"], ["%d/%m/%Y %H:%M"]),
        (["1/2/2024 9:00", "12/11/2024 19:05"], ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"]),
        (["14.10.2024 09:00"], ["%d.%m.%Y %H:%M"]),
        (["14-10-2024 09:00:01"], ["%d-%m-%Y %H:%M:%S"]),
        (["2024/10/14 09:00"], ["%Y/%m/%d %H:%M"]),
        (["2024/10/11 09:00"], ["%Y/%m/%d %H:%M"]),
        (["2024/14/10 09:00"], ["%Y/%d/%m %H:%M"]),
        (["2024-10-14 9:00"], ["%Y-%m-%d %H:%M"]),
        (["Oct 14 2024 9:00AM"], ["%b %d %Y %I:%M%p"]),
        (["October 14, 2024 9:00 AM"], ["%b %d, %Y %I:%M %p"]),
        (["14-Oct-2024 09:00:00"], ["%d-%b-%Y %H:%M:%S"]),
        (["14 Oct 2024 09:00:00 GMT"], ["%d %b %Y %H:%M:%S %z"]),
        (["10/14/2024 9:00:00.5 PM +02:00"], ["%m/%d/%Y %I:%M:%S.%f %p %z"]),
        (["10/14/24 9:00"], ["%m/%d/%y %H:%M"]),
        (["10/11/12 9:00"], ["%m/%d/%y %H:%M", "%d/%m/%y %H:%M", "%y/%m/%d %H:%M"]),
        (["10/14/2024 9:00", "14/10/2024 9:00"], []),
        (["10/14/2024 9:00", "99/99/2024 9:00"], ["%m/%d/%Y %H:%M"]),
        (["10/14/2024, 9:00", "n/a"], []),
        (["10/14/2024, 9:00", "10/13/2024, 9:00", "n/a"], ["%m/%d/%Y, %H:%M"]),
        (["99/99/2024 9:00"], []),
        (["yesterday", ""], []),
        (["14 Okt 2024 09:00"], []),
        (["10/14/2024"], []),
    ],
)
def test_guesses(values: list[str], expected: list[str]) -> None:
    assert formats(*values) == expected


def offers(reason: str, *values: str, header: str = "store_id,status,timestamp_utc") -> str:
    row = "a,{0},x" if reason == "status" else 'a,active,"{0}"'
    rejects = [Reject(line, 0, reason, row.format(value).encode()) for line, value in enumerate(values, 2)]
    return " ".join(offer_fixes(rejects, read_header(header.encode())))


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("online offline", "--status offline=inactive,online=active"),
        ("Up DOWN up", "--status down=inactive,up=active"),
        ("open closed", "--status closed=inactive,open=active"),
        ("1 0", "--status 0=inactive,1=active"),
        ("true false", "--status false=inactive,true=active"),
        ("online", "--status online=active"),
        ("T F", "--status f=inactive,t=active"),
        ("yes no", "--status no=inactive,yes=active"),
    ],
)
def test_known_words_are_offered(words: str, option: str) -> None:
    offer = offers("status", *words.split())
    assert option in offer
    assert "if that is what the words mean" in offer


def test_unknown_words_are_asked_for() -> None:
    offer = offers("status", "online", "en ligne", "hors ligne")
    assert "'online', 'en ligne', 'hors ligne'" in offer
    assert "say what each word means" in offer
    assert offers("status", "") == ""


def test_an_option_for_the_zone_only_where_it_is_needed() -> None:
    loose = "store_id,status,timestamp"
    assert "--assume-utc" not in offers("timestamp", "10/14/2024 9:00")
    assert "--assume-utc" in offers("timestamp", "10/14/2024 9:00", header=loose)
    assert "--assume-utc" not in offers("timestamp", "10/14/2024 9:00 +02:00", header=loose)
    assert "--assume-utc" in offers("tz_missing", "2024-10-14 09:00:00", header=loose)


def test_both_orders_are_offered_with_the_reason() -> None:
    offer = offers("timestamp", "10/11/2024 9:00")
    assert "'%m/%d/%Y %H:%M' or with --date-format '%d/%m/%Y %H:%M'" in offer
    assert "No value tells which number is the day" in offer
    assert "differ in the order of day and month" in offers("timestamp", "10/14/2024 9:00", "14/10/2024 9:00")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("14/10/2024", "no time of day"),
        ("1728896400", "seconds since 1970"),
        ("45579.375", "spreadsheet's day numbers"),
    ],
)
def test_values_that_no_option_reads_are_named(value: str, said: str) -> None:
    assert said in offers("timestamp", value)


def test_several_forms_are_named() -> None:
    said = offers("timestamp", "2024-10-14 9:00 PM", "10/14/2024 9:00", "14.10.2024 09:00")
    assert "several forms, such as '2024-10-14 9:00 PM' and '10/14/2024 9:00'" in said
    assert "--date-format reads only one" in said


@pytest.mark.parametrize("value", ["2024-10-14 09:00:00 UTC", "2024-10-14 09:00:00", "10/14/2024 9:00 AM"])
def test_swapped_columns_are_no_words_for_the_status(value: str) -> None:
    said = offers("status", value, value)
    assert "the columns status and timestamp_utc may be swapped" in said
    assert "--status" not in said
    assert "--status online=active" in offers("status", "online", "online", value)


def test_a_line_below_the_table_has_no_status() -> None:
    header = read_header(b"store_id,status,timestamp_utc")
    assert offer_fixes([Reject(9, 0, "status", b"stores,1,")], header) == []
    assert offer_fixes([Reject(9, 0, "status", b"stores,1,2024-10-14 09:00:00Z")], header) != []


def test_a_column_of_zones_beside_times_without_one_is_named() -> None:
    rejects = [Reject(2, 0, "tz_missing", b"a,active,2024-10-14 09:00:00,-05:00")]
    said = " ".join(offer_fixes(rejects, read_header(b"store_id,status,timestamp_utc,utc_offset")))
    assert "the column 'utc_offset' is not read: write the offset into each timestamp" in said
    assert "name the column timestamp_utc" not in said


def test_rows_that_are_not_rows_are_passed_over() -> None:
    rejects = [Reject(2, 0, "status", b"a,online"), Reject(3, 0, "columns", b"a")]
    assert offer_fixes(rejects, read_header(b"store_id,status,timestamp_utc")) == []
    assert offer_fixes(rejects, read_header(b"store_id,timezone_str")) == []


@pytest.mark.parametrize(
    ("words", "mapping"),
    [
        ("aktiv inaktiv", "aktiv=…,inaktiv=…"),
        ("online weg", "online=active,weg=…"),
        ("--- 2", "---=…,2=…"),
    ],
)
def test_no_meaning_is_guessed_for_an_unknown_word(words: str, mapping: str) -> None:
    offered = offers("status", *words.split())
    assert mapping in offered
    with pytest.raises(ValueError, match="…"):
        parse_status_words(mapping)


def test_the_header_itself_is_no_word() -> None:
    assert offers("status", "status") == ""


@pytest.mark.parametrize(
    "value", ["2024-10-14 09:00 PST", "2024-10-14 09:00:00 UTC+2", "2024-10-14 09:00 Europe/Berlin"]
)
def test_names_of_zones_are_not_read_as_offsets(value: str) -> None:
    assert "end in the name of a zone" in offers("timestamp", value)
    assert "-08:00" in offers("timestamp", value)


@pytest.mark.parametrize(
    "value", ["2024-10-14 09:00:00,5 UTC", "2024-10-14 09:00:00,5 GMT", "2024-10-14 09:00:00,5 z"]
)
def test_utc_is_not_to_blame(value: str) -> None:
    assert "name of a zone" not in offers("timestamp", value)


@pytest.mark.parametrize("word", ["NULL", "n/a", "NaN", "None"])
def test_no_meaning_is_asked_for_an_empty_value(word: str) -> None:
    assert not offers("status", word)
    assert "--status 'busy=…'" in offers("status", "busy", word)

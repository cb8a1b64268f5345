"""Messages about a file name the fields of the upload form on the page, and no option of the command."""

import re
from datetime import date

import pytest

from services.api.web.form_words import form_words
from services.api.web.tables import name_version
from services.api.web.words import size
from services.ingest.parse.header import read_header
from services.ingest.parse.offers import offer_fixes
from services.ingest.parse.reasons import Reject
from shared.row_reasons import ROW_REASONS
from shared.uptime.store_terms import HoursVersion

_OF_THE_COMMAND = re.compile(r"--[a-z]|\?[a-z_]+=|UPTILL_(STATUS_WORDS|REJECT_LIMIT|ALLOW_ODD_IDS)")


@pytest.mark.parametrize("reason", ROW_REASONS)
def test_advice_about_rows(reason: str) -> None:
    assert _OF_THE_COMMAND.search(form_words(ROW_REASONS[reason])) is None


@pytest.mark.parametrize(
    ("reason", "values", "field"),
    [
        ("status", ["online", "offline"], "“Words for the status” offline=inactive,online=active"),
        ("status", ["busy", "odd"], "“Words for the status” "),
        ("timestamp", ["10/14/2024 9:00"], "“Format of timestamps” '%m/%d/%Y %H:%M'"),
        ("timestamp", ["1/2/2024 9:00"], "“Format of timestamps” '%d/%m/%Y %H:%M'"),
        ("timestamp", ["1/2/2024 9:00", "yesterday 9:00"], ""),
        ("tz_missing", ["2024-10-14 09:00"], "“timestamps without a time zone are UTC”"),
    ],
)
def test_offers(reason: str, values: list[str], field: str) -> None:
    row = "a,{0},x" if reason == "status" else 'a,active,"{0}"'
    rejects = [Reject(line, 0, reason, row.format(value).encode()) for line, value in enumerate(values, 2)]
    said = " ".join(offer_fixes(rejects, read_header(b"store_id,status,timestamp")))
    found = form_words(said)
    assert _OF_THE_COMMAND.search(found) is None, found
    too_many = form_words(f"{said} Or correct the file, or raise UPTILL_REJECT_LIMIT (--reject-limit)")
    assert too_many.endswith(" Or correct the file, or ask an administrator to raise the limit")
    assert field in found
    assert "()" not in found


def test_a_size_is_counted() -> None:
    assert [size(number) for number in (1, 354, 3_000)] == ["1 byte", "354 bytes", "3.0 kB"]


def test_a_version_of_hours_says_when_it_holds() -> None:
    undated, first, second = (
        HoursVersion(since, [(0, 0, 3600)]) for since in (None, date(2026, 10, 29), date(2026, 12, 1))
    )
    assert name_version(undated, None, has_undated=True) == "always"
    assert [
        name_version(each, first.effective_from, has_undated=True) for each in (undated, first, second)
    ] == [
        "before 2026-10-29",
        "from 2026-10-29",
        "from 2026-12-01",
    ]
    assert name_version(first, first.effective_from, has_undated=False) == "from 2026-10-29, and before"

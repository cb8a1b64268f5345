"""The pages of the printed report: the same picture on every machine, texts that stay texts, and limits of the process."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image

from services.api.web import assets
from services.worker.printed import typeset_apart
from services.worker.printed.figures import Figures, describe_figures
from services.worker.printed.store_sheet import MOST_DAYS
from services.worker.printed.typeset_apart import NotTypeset
from shared.pictures.day_svg import COLOURS
from shared.uptime.window import parse_windows
from tests.fixtures.printed import document, draw_store, page_texts, picture_of, sheet_of, sheet_terms

PICTURE = Path(__file__).parents[2] / "docs/how-to/printed-report.png"
HOSTILE = '#eval("1") $x$ *b* `c` "\' \\ <svg/> @preview/x:1 \u05e9\u05dc\u05d5\u05dd \u202e ' + "x" * 900
HOUR_US = 3_600_000_000


def typeset(*stores: str, windows: tuple[str, ...] = ("last_day", "last_week", "before:last_week")) -> bytes:
    data = document([draw_store(store) for store in stores], *windows)
    return typeset_apart.typeset_apart(json.dumps(data).encode())


def test_a_page_looks_as_in_the_documentation() -> None:
    found = picture_of(typeset("0042"), 1)
    if os.environ.get("UPDATE_PICTURES"):
        Image.fromarray(found).quantize(128).save(PICTURE, optimize=True)
    expected = np.asarray(Image.open(PICTURE).convert("RGB"))
    assert found.shape == expected.shape
    distance = np.abs(found.astype(int) - expected.astype(int)).max(axis=2)
    assert (distance > 48).mean() < 0.002


def test_the_same_data_gives_the_same_bytes() -> None:
    assert typeset("0042") == typeset("0042")


def test_each_store_has_one_page_and_hostile_texts_stay_texts() -> None:
    fleet, store, hostile = page_texts(typeset("0042", HOSTILE))
    assert "Uptime within opening hours" in fleet
    for text in ("Power cut", "Stock-taking", "owner=acme", "Times in America/New_York"):
        assert text in store
    plain = hostile.replace("\r\n", "")
    assert '#eval("1") $x$ *b* `c` "\' \\ <svg/> @preview/x:1' in plain
    assert "u202e" in plain
    assert "\u202e" not in plain
    assert "x" * 900 in plain


@pytest.mark.parametrize(
    "windows", [("P35D",), ("P90D", "last_hour"), tuple(f"PT{n}H" for n in range(1, 13))]
)
def test_a_store_has_one_page_whatever_its_windows(windows: tuple[str, ...]) -> None:
    assert len(page_texts(typeset("0042", windows=windows))) == 2


def test_a_long_window_shows_its_last_days_and_a_large_report_fewer() -> None:
    sheet = sheet_of(draw_store(), "P50D")
    assert (len(sheet.days), sheet.days_left_out) == (MOST_DAYS, 51 - MOST_DAYS)
    assert sheet_terms("P50D").for_stores(200).most_days == 8


def test_every_font_is_embedded() -> None:
    pages = pypdfium2.PdfDocument(typeset("0042"))
    fonts = [
        pdfium.FPDFTextObj_GetFont(found.raw)
        for page in pages
        for found in page.get_objects([pdfium.FPDF_PAGEOBJ_TEXT])
    ]
    assert len(fonts) > 100
    assert all(pdfium.FPDFFont_GetIsEmbedded(font) == 1 for font in fonts)


def test_a_failure_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotTypeset, match="choose fewer stores"):
        typeset_apart.typeset_apart(b"{")
    monkeypatch.setattr(typeset_apart, "_AT_MOST_S", 0.01)
    with pytest.raises(NotTypeset, match="not typeset within"):
        typeset("0042")


def test_a_window_is_compared_with_the_one_before() -> None:
    windows = parse_windows(
        ["last_day", "last_week", "before:last_week", "previous_month", "before:previous_month"]
    )
    figures = [Figures(part * HOUR_US, (100 - part) * HOUR_US) for part in (50, 90, 85, 80, 90)]
    rows = describe_figures(windows, figures, [""] * len(windows))
    assert [row["change"] for row in rows] == ["", "+5.00", "", "\u221210.00", ""]
    assert [row["share"] for row in rows] == ["50.00 %", "90.00 %", "85.00 %", "80.00 %", "90.00 %"]


def test_the_colours_are_those_of_the_page() -> None:
    style = assets.load_asset("uptill.css").content.decode()
    light = dict(re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}),", style))
    assert {name: light[name] for name in COLOURS} == COLOURS

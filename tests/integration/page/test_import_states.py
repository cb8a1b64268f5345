"""The states of imports on the page: what they mean, and which files were skipped."""

import re

import httpx2

from tests.integration.page.test_page_imports import GOOD, ended, send


def test_the_list_shows_what_a_file_corrected(browser: httpx2.Client) -> None:
    for zone in ("UTC", "Europe/Berlin"):
        ended(browser, send(browser, (f"{zone[:3]}.csv", f"store_id,timezone_str\na,{zone}\n")))
    titles, first, second = re.findall(r"<tr>.*?</tr>", browser.get("/imports").text, re.DOTALL)
    assert re.findall(r'class="mid">(\w+)<', titles) == ["Kind", "Accepted", "Corrected"]
    assert [re.findall(r'class="mid num">(\d+)<', row) for row in (first, second)] == [["0", "1"], ["1", "0"]]


def test_an_import_says_what_its_state_means(browser: httpx2.Client) -> None:
    ended(browser, send(browser, ("good.csv", GOOD)))
    assert "skipped" in ended(browser, send(browser, ("again.csv", GOOD)))
    listed = browser.get("/imports").text
    assert re.findall(r'class="state import-(\w+)">(\w+)<', listed) == [
        ("succeeded", "skipped"),
        ("succeeded", "succeeded"),
    ]
    refused = ended(browser, send(browser, ("names.csv", "shop,when\n1,2\n")))
    assert "Of polls, what was committed before stays." in refused

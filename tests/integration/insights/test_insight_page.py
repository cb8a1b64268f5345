"""The page of insights: what it says before a run and with methods that are off, whose stores it shows, and texts of others."""

import re
from collections.abc import Iterator
from html import unescape

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.keys import create_key
from shared.pictures.words import NO_VALUE
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in
from tests.integration.insights.insight_fleet import DAYTIME, FLEET, LATE, NOW, run_insights

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def view(browser: TestClient, query: str = "") -> str:
    answer = browser.get(f"/insights{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def section(page: str, name: str) -> str:
    return page.partition(f'aria-labelledby="{name}"')[2].partition("</section>")[0]


def shown(probability: float | None) -> str:
    return NO_VALUE if probability is None else f"{100 * probability:.0f}"


def risky(page: str) -> list[str]:
    """The stores of the list of risks."""
    return re.findall(r'<li>\s*<a class="id" href="[^"]*" title="([^"]*)"', section(page, "risk-title"))


def test_an_unknown_skill_is_not_drawn(
    browser: TestClient, api: TestClient, worker: WorkerContext, database_url: str
) -> None:
    load_fleet(database_url, {"s1": Store([(NOW, True)], "UTC", DAYTIME)})
    run_insights(api, worker)
    skills = section(view(browser), "skill-title")
    assert "Off: nothing was predicted in the last four weeks" in text_of(skills)
    assert '<svg class="skill"' not in skills


@pytest.mark.usefixtures("conn")
def test_before_the_first_run_the_page_says_what_to_do(browser: TestClient) -> None:
    page = text_of(view(browser))
    assert "No insights yet" in page
    assert "UPTILL_INSIGHTS=true" in page
    assert "uptill insights run" in page
    assert 'aria-current="page">Insights' in view(browser)


@pytest.mark.usefixtures("conn")
def test_the_page_says_what_the_api_says(browser: TestClient, api: TestClient, worker: WorkerContext) -> None:
    run_insights(api, worker)
    page = view(browser)
    words = text_of(page)
    methods = api.get("/v1/insights/skill").json()["methods"]
    assert len(re.findall(r'<span class="state (?:up|none)">o', page)) == len(methods)
    for method in methods:
        assert method["sentence"] in words
        assert f"{method['hours']:,} {method['sentence']}" in words
    risk = api.get("/v1/insights/risk", params={"limit": 10}).json()["stores"]
    assert risky(page) == [store["store_id"] for store in risk]
    for store in risk:
        assert store["sentence"] in words
        cells = [shown(each["probability"]) for each in store["hours"]]
        assert " ".join([store["store_id"], *cells]) in words
    for kind in ("patterns", "causes", "drift"):
        (found,) = api.get(f"/v1/insights/{kind}").json()["findings"]
        assert found["sentence"] in words
        assert f"p = {found['evidence']['p_value']:.1g}" in words
    assert "The last run is old" in page, "the polls of the fleet end in 2024"


@pytest.mark.usefixtures("conn")
def test_each_finding_leads_to_where_it_can_be_seen(
    browser: TestClient, api: TestClient, worker: WorkerContext
) -> None:
    run_insights(api, worker)
    page = view(browser)
    (pattern,) = re.findall(r'href="(\./stores/late\?week=[^"]*)"', section(page, "found-pattern"))
    assert pattern == "./stores/late?week=2024-10-13", "the last Sunday that is over"
    (drift,) = re.findall(r'href="(\./stores/s01\?week=[^"]*)"', section(page, "found-drift"))
    (cause,) = re.findall(r'href="(\./outages\?[^"]*)"', section(page, "found-cause"))
    assert cause == "./outages?day=2024-10-10&amp;q=franchise%3DX"
    for link in (pattern, drift, cause):
        assert browser.get(unescape(link).removeprefix(".")).status_code == 200, link


def test_a_method_that_is_off_says_why_and_shows_nothing(
    browser: TestClient, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    conn.execute("update insight_skill set is_on = false, reason = 'it is not proven <here>'")
    conn.execute("delete from insight_finding")
    page = view(browser)
    assert risky(page) == []
    assert "Off: it is not proven <here>." in text_of(section(page, "risk-title"))
    for name in ("found-pattern", "found-cause", "found-drift"):
        assert "Off: it is not proven <here>." in text_of(section(page, name))
    assert 'class="state up"' not in page


def test_a_limited_key_sees_its_stores(
    browser: TestClient, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    everything = view(browser)
    assert ">franchise=X<" in everything
    key = create_key(conn, name="south", scopes=["reports:read"], store_labels={"region": "south"})
    browser.cookies.clear()
    sign_in(browser, key)
    page = view(browser)
    assert set(risky(page)) <= {store for store in FLEET if store >= "s10"}
    assert LATE not in page
    assert "s01" not in page
    assert "franchise" not in page
    for name in ("found-pattern", "found-cause", "found-drift"):
        assert "Nothing found." in section(page, name)
    nothing = view(browser, "?q=region%3Dnorth")
    assert "No store that this key may see has these labels" in nothing
    assert risky(nothing) == []


@pytest.mark.usefixtures("conn")
def test_labels_choose_stores(browser: TestClient, api: TestClient, worker: WorkerContext) -> None:
    run_insights(api, worker)
    page = view(browser, "?q=region%3Dnorth")
    assert sorted(risky(page)) == [LATE, *(f"s{n:02}" for n in range(1, 10))]
    assert "Nothing found about these stores." in section(page, "found-cause")
    assert browser.get("/insights?q=north").status_code == 422
    assert browser.get("/insights?other=1").status_code == 422


def test_a_text_of_others_is_text(
    browser: TestClient, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    conn.execute("update store set store_id = %s where store_id = 'late'", [HOSTILE])
    conn.execute(
        "update store set labels = labels || %s where labels ? 'franchise'",
        ['{"franchise": "<b>\u202eX</b>"}'],
    )
    run_insights(api, worker)
    page = view(browser)
    assert "<img" not in page
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "stores/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E?week=" in page
    assert "&lt;b&gt;\\u202eX&lt;/b&gt;" in page


def test_nothing_is_shown_without_a_session(browser: TestClient) -> None:
    browser.cookies.clear()
    assert browser.get("/insights").headers["location"] == "./sign-in?next=insights"

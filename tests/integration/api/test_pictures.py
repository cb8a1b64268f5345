"""Pictures of a store: valid SVG that draws what the page draws, for whom it may be seen, and kept while it is the same."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.keys import create_key
from shared.pictures.words import length, share
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
POLLS = [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(300)]
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
HOSTILE = "<script>alert(1)</script>&" + "x" * 200
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    fleet = {"0042": Store(POLLS, "America/New_York", DAYTIME), "silent": Store(), HOSTILE: Store(POLLS[:5])}
    load_fleet(env["UPTILL_DATABASE_URL"], fleet)


def picture(api: TestClient, path: str, **params: Any) -> ET.Element:
    answer = api.get(f"/v1/stores/{path}", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "var(" not in answer.text, "viewers of mails know no variables"
    return ET.fromstring(answer.text)


def text_of(root: ET.Element, name: str) -> str:
    found = root.find(f"{_SVG}{name}")
    assert found is not None
    return found.text or ""


def test_a_week_has_seven_days_and_its_numbers_as_text(api: TestClient) -> None:
    root = picture(api, "0042/timeline.svg", week="2024-10-30")
    days = [each for each in root.findall(f"{_SVG}svg") if each.get("height") == "42"]
    assert len(days) == 7
    assert sum(len(day.findall(f".//{_SVG}rect[@class='s-down']")) for day in days) > 3
    assert text_of(root, "title") == "0042, week of Mon 28 Oct 2024"
    assert text_of(root, "desc").count(";") == 6
    assert root.findall(f".//{_SVG}a") == [], "a picture leads nowhere"


def test_a_badge_is_the_timeline_of_its_window(api: TestClient) -> None:
    totals = api.get("/v1/stores/0042/timeline", params={"window": "last_day"}).json()["totals"]
    root = picture(api, "0042/badge.svg", window="last_day", colours="dark")
    assert text_of(root, "title") == f"0042: uptime last day {share(totals['up_us'], totals['down_us'])}"
    assert text_of(root, "desc").startswith(f"{length(totals['up_us'])} up, {length(totals['down_us'])} down")
    assert text_of(picture(api, "silent/badge.svg"), "title") == "silent: uptime last week \u2013"


def test_ids_stay_text(api: TestClient) -> None:
    for name in ("timeline", "badge"):
        path = f"{HOSTILE.replace('/', '%2F').replace('<', '%3C').replace('&', '%26')}/{name}.svg"
        root = picture(api, path)
        assert root.findall(f".//{_SVG}script") == []
        assert text_of(root, "title").startswith("<script>alert(1)</script>&xxx")


def test_a_picture_is_kept_while_it_is_the_same(api: TestClient, database_url: str) -> None:
    for path in ("/v1/stores/0042/timeline.svg", "/v1/stores/0042/badge.svg"):
        first = api.get(path)
        assert first.headers["cache-control"] == "private, max-age=60"
        again = api.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    with psycopg.connect(database_url) as conn:
        conn.execute("update observation set is_active = not is_active")
    assert api.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_pictures_are_for_keys_that_may_see_the_store(api: TestClient, database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        limited = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
        other = create_key(conn, name="metrics", scopes=["metrics:read"])
        conn.execute("""update store set labels = '{"region": "north"}' where store_id = '0042'""")
    for name in ("timeline", "badge"):
        north, metrics = ({"Authorization": f"Bearer {key}"} for key in (limited, other))
        assert api.get(f"/v1/stores/0042/{name}.svg", headers=north).status_code == 200
        problem(api.get(f"/v1/stores/silent/{name}.svg", headers=north), 404, "store_not_found")
        problem(api.get(f"/v1/stores/0042/{name}.svg", headers=metrics), 403, "forbidden")
        problem(api.get(f"/v1/stores/nobody/{name}.svg"), 404, "store_not_found")
        problem(api.get(f"/v1/stores/0042/{name}.svg", params={"colours": "pink"}), 422, "invalid_request")


def test_shapes_are_those_of_the_style(api: TestClient) -> None:
    text = api.get("/v1/stores/0042/timeline.svg").text
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)[0]
    used = set(re.findall(r'class="((?:s|fill|line|picture)-[a-z_-]+)', text))
    assert {name for name in used if f".{name} " not in style and f".{name}{{" not in style} <= {
        "s-as-up",
        "s-whisker",
        "s-now",
    }

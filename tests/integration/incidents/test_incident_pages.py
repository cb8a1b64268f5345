"""The page's views of incidents, rules and channels: what they show, what they change, and who may."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.logins import with_login
from tests.fixtures.page import form_token, sign_in

Look = Callable[[], int]
PutRule = Callable[..., Any]
HOSTILE = "<img src=x onerror=alert(1)>"
SECRET = "https://hooks.example.com/T0K3N"


@pytest.fixture
def app(settings: Settings) -> Iterator[TestClient]:
    with TestClient(
        create_app(with_login(settings, "uptill_api")),
        headers={"Accept": "text/html"},
        follow_redirects=False,
    ) as client:
        yield client


@pytest.fixture
def browser(app: TestClient, settings: Settings) -> TestClient:
    """The browser of an admin."""
    sign_in(app, settings.api_key.get_secret_value())
    return app


@pytest.fixture
def enter(app: TestClient, conn: psycopg.Connection) -> Callable[..., TestClient]:
    """Sign in with a new key with these scopes and labels."""

    def enter(*scopes: str, **labels: str) -> TestClient:
        sign_in(app, create_key(conn, name="person", scopes=list(scopes), store_labels=labels or None))
        return app

    return enter


def send(browser: TestClient, page: str, path: str, **fields: object) -> Any:
    """Send a form with the token of a page."""
    token = form_token(browser.get(page).text)
    return browser.post(path, data={"form_token": token, **fields})


def paths_of(browser: TestClient, query: str = "") -> list[str]:
    """The paths of the incidents that are listed, in order."""
    page = browser.get(f"/incidents{query}")
    assert page.status_code == 200, page.text
    return re.findall(r'href="\./(incidents/[0-9a-f-]{36})"', page.text)


def text_of(browser: TestClient, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def test_open_incidents_come_first_and_filters_choose(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, browser: TestClient
) -> None:
    assert "There is no alert rule" in browser.get("/incidents").text
    put_rule("down", "store_down")
    put_rule("silent", "store_silent")
    look()
    conn.execute("update incident set state = 'resolved', ended_at = now() where rule = 'silent'")
    assert "Open 1" in text_of(browser, "/incidents")
    (first, second) = paths_of(browser)
    assert first != second
    assert paths_of(browser, "?state=not_ended") == [first]
    assert paths_of(browser, "?state=ended") == [second]
    for query in ("kind=store_down", "rule=down", "q=OWN", "q=down&state=open"):
        assert paths_of(browser, f"?{query}") == [first], query
    assert paths_of(browser, "?q=nothing") == []
    assert "No incident matches" in browser.get("/incidents?q=nothing").text
    assert browser.get("/incidents?state=gone").status_code == 422
    assert "1</b> open incident" in browser.get("/").text


def test_an_incident_has_its_bounds_its_timeline_and_a_way_to_the_reason(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, browser: TestClient
) -> None:
    put_rule("down", "store_down")
    look()
    conn.execute("update incident set flaps = 2")
    (path,) = paths_of(browser)
    shown = text_of(browser, f"/{path}")
    for words in ("began between", "2 flaps", "Inactive polls", "opened", "the rule names no channel"):
        assert words in shown, words
    (why,) = re.findall(
        r'href="\.\./(stores/down\?week=[0-9-]+&amp;at=\d+)#ledger"', browser.get(f"/{path}").text
    )
    assert 'class="why down"' in browser.get("/" + why.replace("&amp;", "&")).text


def test_a_person_acknowledges_and_notes(
    look: Look, put_rule: PutRule, browser: TestClient, conn: psycopg.Connection
) -> None:
    put_rule("down", "store_down")
    look()
    (path,) = paths_of(browser)
    assert browser.post(f"/{path}", data={"action": "acknowledge"}).status_code == 403
    answer = send(browser, f"/{path}", f"/{path}", action="acknowledge", note=HOSTILE)
    assert answer.status_code == 303
    page = browser.get(f"/{path}").text
    assert "<img" not in page
    assert "acknowledged" in page
    assert send(browser, f"/{path}", f"/{path}", action="note", note="").status_code == 422
    assert send(browser, f"/{path}", f"/{path}", action="note", note="x" * 2001).status_code == 422
    events = conn.execute("select kind from incident_event order by id").fetchall()
    assert [kind for (kind,) in events] == ["opened", "acknowledged", "noted"]
    audited = conn.execute("select count(*) from audit where action = 'incident.acknowledged'").fetchone()
    assert audited == (1,)


def test_a_group_shows_its_stores_and_a_limited_key_only_its_own(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, enter: Callable[..., TestClient]
) -> None:
    conn.execute("""update store set labels = '{"city": "oslo", "team": "a"}' where store_id = 'down'""")
    conn.execute("""update store set labels = '{"city": "oslo", "team": "b"}' where store_id = 'up'""")
    conn.execute(
        "update observation set is_active = false where observed_at > now() - interval '12 minutes' and store_key ="
        " (select store_key from store where store_id = 'up')"
    )
    put_rule("region", "group_down", parameters={"by": "city", "at_least": 2, "window_minutes": 1440})
    look()
    everyone = enter("reports:read", "reports:write")
    (path,) = paths_of(everyone)
    assert "city=oslo" in text_of(everyone, f"/{path}")
    assert "Stores 2" in text_of(everyone, f"/{path}")
    assert "Messages of the rule" not in text_of(everyone, f"/{path}")
    some = enter("reports:read", "reports:write", team="a")
    shown = text_of(some, f"/{path}")
    assert "Stores 1" in shown
    assert "cannot be acknowledged" in shown
    assert 'name="action"' not in some.get(f"/{path}").text
    assert send(some, "/", f"/{path}", action="acknowledge").status_code == 403
    other = enter("reports:read", "reports:write", team="c")
    assert other.get(f"/{path}").status_code == 404
    assert paths_of(other) == []
    assert "No open incident" in other.get("/").text


def test_views_keep_to_the_scopes(look: Look, put_rule: PutRule, enter: Callable[..., TestClient]) -> None:
    put_rule("down", "store_down")
    look()
    reader = enter("reports:read")
    (path,) = paths_of(reader)
    assert "Acknowledge" not in reader.get(f"/{path}").text
    assert "New rule" not in reader.get("/incidents/rules").text
    assert "Channels" not in reader.get("/incidents").text
    for page in ("new-rule", "rules/down", "channels", "channels/ops", "new-channel?kind=email"):
        assert reader.get(f"/incidents/{page}").status_code == 403, page
    for action in (path, "incidents/rules", "incidents/rules/down/remove", "incidents/rules/down/pause",
                   "incidents/channels", "incidents/channels/ops/test", "incidents/channels/ops/remove"):  # fmt: skip
        assert send(reader, "/", f"/{action}", action="acknowledge").status_code == 403, action


def test_an_admin_adds_edits_pauses_and_removes_a_rule(
    conn: psycopg.Connection, look: Look, browser: TestClient
) -> None:
    assert "Late opening" in browser.get("/incidents/new-rule").text
    form = "/incidents/new-rule?kind=store_down"
    fields: dict[str, object] = {
        "kind": "store_down",
        "is_new": "1",
        "name": "north-down",
        "labels": "city=oslo",
        "parameter.inactive_polls": "2",
        "parameter.down_minutes": "",
        "parameter.guard_after_opening_minutes": "0",
        "parameter.guard_before_closing_minutes": "0",
        "hold_open_minutes": "5",
        "weekday": ["0", "1", "2", "3", "4", "5", "6"],
        "quiet_from": "22:00",
        "quiet_until": "07:00",
    }
    wrong = send(
        browser, form, "/incidents/rules", **{**fields, "parameter.inactive_polls": "0", "labels": HOSTILE}
    )
    assert wrong.status_code == 422
    assert "<img" not in wrong.text
    assert 'value="north-down"' in wrong.text, "what was written stays"
    assert send(browser, form, "/incidents/rules", **fields).status_code == 303
    again = send(browser, form, "/incidents/rules", **fields)
    assert (again.status_code, "already" in again.text) == (422, True)
    look()
    rule = "/incidents/rules/north-down"
    assert "22:00" in browser.get(rule).text
    assert len(paths_of(browser)) == 1
    assert send(browser, rule, f"{rule}/pause").status_code == 303
    look()
    assert conn.execute("select state, cause from incident").fetchall() == [("resolved", "rule_paused")]
    assert "paused" in text_of(browser, "/incidents/rules")
    assert send(browser, rule, f"{rule}/pause", resume="1").status_code == 303
    look()
    assert conn.execute("select count(*) from incident where state = 'open'").fetchone() == (1,)
    edited = {**fields, "labels": "city=rome", "is_new": ""}
    assert send(browser, rule, "/incidents/rules", **edited).status_code == 303
    assert conn.execute("select labels ->> 'city', delivery ->> 'quiet_from' from alert_rule").fetchall() == [
        ("rome", "22:00")
    ]
    assert send(browser, rule, f"{rule}/remove").status_code == 303
    assert "No alert rule" in browser.get("/incidents/rules").text


def test_an_admin_adds_tests_and_removes_a_channel_whose_destination_no_page_shows(
    conn: psycopg.Connection, browser: TestClient, put_rule: PutRule
) -> None:
    form = "/incidents/new-channel?kind=webhook"
    fields = {"kind": "webhook", "is_new": "1", "name": "ops", "per_minute": "20", "attach": "1"}
    for bad in ({"destination": "http://10.0.0.1/T0K3N"}, {"destination": SECRET, "per_minute": "many"},
                {"destination": "https://x.example.com/T0K3N" + "x" * 3000}, {"destination": ""}):  # fmt: skip
        wrong = send(browser, form, "/incidents/channels", **{**fields, **bad})
        assert wrong.status_code == 422, wrong.text
        assert "T0K3N" not in wrong.text
    added = send(browser, form, "/incidents/channels", **{**fields, "destination": SECRET})
    assert added.status_code == 200, added.text
    (secret,) = re.findall(r'<code class="secret">([^<]+)</code>', added.text)
    assert added.headers["cache-control"] == "no-store"
    channel = "/incidents/channels/ops"
    assert send(browser, channel, f"{channel}/test").status_code == 303
    for page in ("/incidents/channels", channel):
        shown = browser.get(page).text
        assert "hooks.example.com" in shown
        assert "T0K3N" not in shown
        assert secret not in shown
    assert "waiting" in text_of(browser, channel)
    put_rule("down", "store_down", delivery={"channels": ["ops"]})
    assert send(browser, channel, f"{channel}/remove").status_code == 303
    rule = "/incidents/rules/down"
    assert send(browser, rule, f"{rule}/pause").status_code == 303, "a rule goes on without a removed channel"
    actions = conn.execute("select action from audit where action like 'channel%' order by id").fetchall()
    assert [action for (action,) in actions] == ["channel.set", "channel.tested", "channel.removed"]


def test_admins_see_what_was_told_and_what_waits(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, browser: TestClient
) -> None:
    conn.execute(
        "insert into channel (name, kind, destination, shown, per_minute, attach)"
        " values ('ops', 'email', '{}', 'o…@example.com', 20, true)"
    )
    put_rule("down", "store_down", delivery={"channels": ["ops"]})
    look()
    (path,) = paths_of(browser)
    assert "1 event for ops wait" in text_of(browser, f"/{path}")
    links = conn.execute("select notice ->> 'link' from channel_event").fetchall()
    assert links == [(f"/{path}",)], "a message leads to the page of its incident"
    conn.execute(
        "insert into channel_message (channel, topic, state, last_error) values ('ops', 'down', 'failed', %s)",
        [HOSTILE],
    )
    conn.execute("update channel_event set message_id = (select id from channel_message)")
    page = browser.get(f"/{path}").text
    assert "<img" not in page
    assert "since then" in page
    assert "failed" in text_of(browser, f"/{path}")


def test_hostile_names_are_text(
    conn: psycopg.Connection, look: Look, put_rule: PutRule, browser: TestClient
) -> None:
    odd = HOSTILE + "\u202e" + "x" * 900
    conn.execute("update store set store_id = %s where store_id = 'down'", [odd])
    put_rule("down", "store_down")
    look()
    (path,) = paths_of(browser)
    for page in ("/incidents", f"/{path}"):
        text = browser.get(page).text
        assert "<img" not in text
        assert "\u202e" not in text

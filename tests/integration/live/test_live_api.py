"""`GET /v1/now`, its summary and its events: filters, orders, pages, and the stores that a key may see."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.keys import create_key
from tests.fixtures.in_process import problem
from tests.integration.live.live_fleet import LABELS, STATES, change_polls, load_live_fleet

Refresh = Callable[[], int]


@pytest.fixture
def conn(database_url: str, refresh: Refresh) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_live_fleet(database_url, conn)
        refresh()
        yield conn


def get(api: TestClient, path: str = "", **params: Any) -> Any:
    answer = api.get(f"/v1/now{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page: Any) -> list[str]:
    return [store["store_id"] for store in page["stores"]]


def test_each_store_with_its_state_and_bounds(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    stores = {store["store_id"]: store for store in get(api)["stores"]}
    assert {store_id: store["state"] for store_id, store in stores.items()} == STATES
    down = stores["down"]
    assert down["since_earliest"] < down["since_latest"] < down["last_polled_at"] < down["refreshed_at"]
    assert (down["last_status"], down["inactive_polls"], down["open_until"]) == ("inactive", 2, None)
    assert down["down_open_us"] > 0
    assert down["usual_gap_us"] == 300_000_000
    assert stores["up"]["down_open_us"] == stores["up"]["inactive_polls"] == 0
    assert stores["ended"]["since_earliest"] == stores["ended"]["since_latest"] is not None
    assert stores["unseen"]["last_polled_at"] is stores["unseen"]["last_status"] is None
    assert api.get("/v1/stores/down/now").json() == down
    problem(api.get("/v1/stores/nobody/now"), 404, "store_not_found")


def test_filters(api: TestClient, conn: psycopg.Connection) -> None:
    conn.execute("update store set display_name = 'Harbour Café' where store_id = 'up'")
    assert ids(get(api, text="CAFÉ")) == ["up"]
    assert ids(get(api, state="down")) == ["down"]
    assert ids(get(api, state=["up", "ended"])) == ["ended", "up"]
    assert ids(get(api, label="city:oslo")) == ["down", "up"]
    assert ids(get(api, text="UNS")) == ["unseen"]
    assert ids(get(api, text="%")) == []
    problem(api.get("/v1/now", params={"state": "broken"}), 422, "invalid_request")


@pytest.mark.parametrize("sort", ["store_id", "since", "-since", "last_poll", "-last_poll", "-down"])
def test_pages_of_any_order_hold_each_store_once(
    api: TestClient, conn: psycopg.Connection, sort: str
) -> None:
    del conn
    whole = ids(get(api, sort=sort))
    assert sorted(whole) == sorted(STATES)
    assert whole[0] == {"-down": "down", "last_poll": "unseen", "store_id": "down"}.get(sort, whole[0])
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = get(api, sort=sort, limit=2, **cursor)
        paged += ids(page)
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == whole
    other = "since" if sort != "since" else "-since"
    problem(api.get("/v1/now", params={"sort": other, **cursor}), 422, "invalid_request")
    problem(api.get("/v1/now", params={"sort": sort, "cursor": "AAAA"}), 422, "invalid_request")


def test_the_summary_counts_states_and_label_values(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    summary = get(api, "/summary", by="city")
    assert {state: n for state, n in summary["states"].items() if n} == {
        "up": 1, "down": 1, "unknown": 1, "silent": 1, "ended": 1,
    }  # fmt: skip
    assert [(row["value"], row["states"]["down"], row["states"]["up"]) for row in summary["values"]] == [
        ("oslo", 1, 1),
        ("rome", 0, 0),
    ]
    assert summary["refreshed_at"] is not None
    assert summary["lag_s"] >= 0
    assert get(api, "/summary")["values"] == []
    assert get(api, "/summary", label="city:rome")["states"]["silent"] == 1
    problem(api.get("/v1/now/summary", params={"by": "no such"}), 422, "invalid_request")


def test_before_the_first_refresh(api: TestClient) -> None:
    assert get(api) == {"stores": [], "next": None}
    summary = get(api, "/summary")
    assert (summary["refreshed_at"], summary["lag_s"], summary["states"]["up"]) == (None, None, 0)


def test_an_owners_key_sees_its_stores_only(api: TestClient, conn: psycopg.Connection) -> None:
    key = create_key(conn, name="owner", scopes=["reports:read"], store_labels={"city": "oslo"})
    api.headers["Authorization"] = f"Bearer {key}"
    assert ids(get(api)) == [store_id for store_id, labels in LABELS.items() if labels == {"city": "oslo"}]
    assert sum(get(api, "/summary")["states"].values()) == 2
    assert [row["value"] for row in get(api, "/summary", by="city")["values"]] == ["oslo"]
    problem(api.get("/v1/stores/silent/now"), 404, "store_not_found")


def test_changes_get_events_in_their_order(conn: psycopg.Connection, refresh: Refresh) -> None:
    change_polls(conn, "down", active=True)
    change_polls(conn, "up", active=False)
    refresh()
    changes = conn.execute(
        "select store_id, was, state from now_change join store using (store_key) order by id"
    ).fetchall()
    assert changes == [("down", "down", "up"), ("up", "up", "down")]
    refresh()
    assert conn.execute("select count(*) from now_change").fetchone() == (2,)


def read_events(lines: Iterator[str], number: int) -> list[dict[str, Any]]:
    """The next events of a stream."""
    events: list[dict[str, Any]] = []
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in ("event", "id"):
            event[name] = value
        elif name == "data":
            event["data"] = json.loads(value)
        elif not line and event:
            events.append(event)
            event = {}
            if len(events) == number:
                break
    return events

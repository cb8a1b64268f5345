"""Policies side by side on one store: the figures are those of its timelines, and the differences explain them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.keys import create_key
from shared.uptime.policy import POLICIES
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem

MONDAY = datetime(2024, 10, 14, tzinfo=UTC)
HOURS = [(day, 10 * 3600, 22 * 3600) for day in range(7)]

# The segments of hold-scaled do not add up to its figures.
_ADDING = [name for name in POLICIES if name != "hold-scaled"]


def at(hour: int, minute: int = 0) -> datetime:
    return MONDAY + timedelta(hours=hour, minutes=minute)


_random = Random(5)
FLEET = {
    # The example of the accounting's page.
    "chicago": Store(
        [(at(15, 30), True), (at(16, 30), False), (at(17, 30), True)],
        "America/Chicago",
        [(0, 10 * 3600, 22 * 3600)],
    ),
    "random": Store(
        [
            (at(18) - timedelta(minutes=ago), _random.random() < 0.7)
            for ago in _random.sample(range(20_000), 300)
        ],
        "Asia/Kathmandu",
        HOURS,
    ),
}


@pytest.fixture(autouse=True)
def conn(env: dict[str, str]) -> Iterator[psycopg.Connection]:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        yield conn


def ask(api: TestClient, store: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/stores/{store}/policies", params=query)
    assert answer.status_code == 200, answer.json()
    body: dict[str, Any] = answer.json()
    return body


def test_the_example_of_the_accounting(api: TestClient) -> None:
    found = ask(api, "chicago", policy=["classic", "hold"], to=at(18).isoformat())
    classic, hold = found["policies"]
    assert [each["policy"] for each in (classic, hold)] == ["classic", "hold"]
    hour_us = 3_600_000_000
    assert (classic["totals"]["up_us"], classic["totals"]["down_us"]) == (2 * hour_us, hour_us)
    assert (hold["totals"]["up_us"], hold["totals"]["down_us"]) == (2 * hour_us, hour_us)
    assert set(classic["change"].values()) == set(hold["change"].values()) == {0}
    assert [
        [
            (each["begin"], each["end"], each["length_us"] // 60_000_000),
            *((state["state"], state["begin_rule"], state["end_rule"]) for state in each["states"]),
        ]
        for each in found["differences"]
    ] == [
        [
            ("2024-10-14T16:00:00Z", "2024-10-14T16:30:00Z", 30),
            ("down", "midpoint", "midpoint"),
            ("up", "edge", "poll"),
        ],
        [
            ("2024-10-14T17:00:00Z", "2024-10-14T17:30:00Z", 30),
            ("up", "midpoint", "as_of"),
            ("down", "poll", "poll"),
        ],
    ]
    assert found["differences_total"] == 2


@pytest.mark.parametrize("pair", list(combinations(_ADDING, 2)))
def test_the_differences_add_up_to_the_changes(api: TestClient, pair: tuple[str, str]) -> None:
    found = ask(api, "random", policy=list(pair), window="last_week")
    for policy, each in zip(pair, found["policies"], strict=True):
        timeline = api.get(
            "/v1/stores/random/timeline", params={"policy": policy, "window": "last_week"}
        ).json()
        assert each["totals"] == timeline["totals"]
        assert (found["begin"], found["end"]) == (timeline["begin"], timeline["end"])
    _, second = found["policies"]
    assert found["differences_total"] == len(found["differences"])
    for state in ("up", "down", "unknown"):
        gained = sum(
            each["length_us"]
            * ((each["states"][1]["state"] == state) - (each["states"][0]["state"] == state))
            for each in found["differences"]
        )
        assert gained == second["change"][f"{state}_us"]


def test_all_policies_at_once(api: TestClient) -> None:
    found = ask(api, "random", policy=list(POLICIES), window="last_day")
    assert [each["policy"] for each in found["policies"]] == list(POLICIES)
    begins = [each["begin"] for each in found["differences"]]
    assert begins == sorted(set(begins))
    for each in found["differences"]:
        assert len({state["state"] for state in each["states"]}) > 1
        assert [state["policy"] for state in each["states"]] == list(POLICIES)


def test_refusals(api: TestClient, env: dict[str, str]) -> None:
    for query, says in (
        ({"policy": "classic"}, "at least 2"),
        ({"policy": ["classic", "classic"]}, "given twice"),
        ({"policy": ["classic", "nonsense"]}, "unknown policy"),
        ({"policy": ["classic", "hold"], "window": "P1M"}, "is not a window"),
    ):
        refused = problem(api.get("/v1/stores/random/policies", params=query), 422, "invalid_request")
        assert says in str(refused), query
    problem(
        api.get("/v1/stores/nobody/policies", params={"policy": ["classic", "hold"]}), 404, "store_not_found"
    )
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(conn, name="n", scopes=["reports:read"], store_labels={"region": "n"})
    answer = api.get(
        "/v1/stores/random/policies",
        params={"policy": ["classic", "hold"]},
        headers={"Authorization": f"Bearer {key}"},
    )
    problem(answer, 404, "store_not_found")

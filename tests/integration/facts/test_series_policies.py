"""Series under several policies: each has the numbers of its own series, and the changes and rules against the first."""

import asyncio
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import AsyncConnection

from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.facts.jobs import FactsRequest, trigger_facts
from shared.reports.acceptance import BatchTerms
from tests.fixtures.in_process import problem
from tests.integration.facts.test_series import FIRST, LAST, ask, conn, database_url, poll_late, template

__all__ = ["conn", "database_url", "template"]
WINDOW = {"window": "month_of:2024-09"}
CHANGES = ("up_us", "down_us", "unknown_us", "outages")


def build(url: str, worker: WorkerContext, policy: str) -> None:
    async def accept() -> Any:
        async with await AsyncConnection.connect(url, autocommit=True) as other:
            return await trigger_facts(other, FactsRequest(FIRST, LAST, policy), BatchTerms(2, 60))

    for wake in asyncio.run(accept()).wakes:
        assert compute_batch(worker, wake.report_id, wake.batch_no)


@pytest.mark.parametrize("group", ["all", "label:region", "weekday", "store"])
def test_each_policy_has_the_totals_of_its_own_series(
    api: TestClient, conn: psycopg.Connection, worker: WorkerContext, database_url: str, group: str
) -> None:
    del conn
    for policy in ("hold", "carry"):
        build(database_url, worker, policy)
    poll_late(database_url)
    asked = {**WINDOW, "group": group, "by": "month"}
    body = ask(api, **asked, policies="hold,carry,classic")
    assert [each["policy"] for each in body["policies"]] == ["hold", "carry", "classic"]
    assert (body["policy"], body["rows"]) == ("hold", ask(api, **asked, policy="hold")["rows"])
    first = {row["group"]: row for row in body["totals"]}
    for each in body["policies"]:
        alone = ask(api, **asked, policy=each["policy"])
        assert alone["policies"] == []
        assert len(each["totals"]) == len(alone["totals"]) == len(first)
        for row, expected in zip(each["totals"], alone["totals"], strict=True):
            assert {name: expected[name] for name in row if name != "change"} == {
                name: value for name, value in row.items() if name != "change"
            }
            assert {name: row["change"][name] for name in CHANGES} == {
                name: row[name] - first[row["group"]][name] for name in CHANGES
            }
    assert any(row["change"]["up_us"] for row in body["policies"][2]["totals"])


def test_the_rules_explain_the_changes(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    body = ask(api, **WINDOW, policies="classic,hold,carry")
    rules = {each["policy"]: each["rules"] for each in body["policies"]}
    assert rules["hold"] == {
        "fill": "previous", "horizon_s": 86_400, "no_data": "unknown", "slot_s": 0, "edges": "extend", "scope": "span",
    }  # fmt: skip
    differing = {each["policy"]: each["differs_in"] for each in body["policies"]}
    assert differing["classic"] == []
    assert differing["hold"] == ["fill"]
    assert differing["carry"] == ["fill", "horizon_s", "edges", "scope"]
    (hold,) = body["policies"][1]["totals"]
    assert (hold["days"], hold["availability"]) == (0, None), "there are no facts of it"
    assert hold["days_missing"] > 0


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"policies": "classic"}, "two or more"),
        ({"policies": "classic,classic"}, "two or more different"),
        ({"policies": "classic,holt"}, "unknown policy 'holt'"),
        ({"policies": "classic,hold", "policy": "classic"}, "give one of them"),
        ({"policies": "classic,hold-scaled"}, "do not add up"),
    ],
)
def test_what_is_refused(api: TestClient, conn: psycopg.Connection, query: dict[str, str], why: str) -> None:
    del conn
    refused = problem(api.get("/v1/series", params={**WINDOW, **query}), 422, "invalid_request")
    assert why in str(refused["errors"])

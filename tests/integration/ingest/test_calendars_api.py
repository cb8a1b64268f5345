"""Calendars over HTTP: replaced as a whole, listed by name, removed, and only by administrators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ingest_service, problem

PATH = "/v1/calendars/us-holidays"
EVE = {"date": "2024-12-24", "intervals": [{"start_time_local": "10:00", "end_time_local": "14:00"}]}
US = {"labels": {"country": "us"}, "dates": [{"date": "2024-12-25"}, EVE]}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool", scopes=("admin",)) as client:
        yield client


def test_a_calendar_is_replaced_listed_and_removed(service: TestClient, database_url: str) -> None:
    made = service.put(PATH, json=US).json()
    assert [one["date"] for one in made["dates"]] == ["2024-12-24", "2024-12-25"]
    assert made["dates"][0]["intervals"] == [{"start_time_local": "10:00:00", "end_time_local": "14:00:00"}]
    assert service.put(PATH, json=US).json() == made, "the same again changes nothing"
    service.put("/v1/calendars/all", json={"labels": {}, "dates": []})
    listed = service.get("/v1/calendars").json()["calendars"]
    assert [(one["name"], one["date_count"], one["first_date"], one["last_date"]) for one in listed] == [
        ("all", 0, None, None),
        ("us-holidays", 2, "2024-12-24", "2024-12-25"),
    ]
    changed = service.put(PATH, json={"labels": {"country": "ca"}, "dates": [EVE]}).json()
    assert service.get(PATH).json() == changed
    assert (changed["labels"], changed["date_count"]) == ({"country": "ca"}, 1)
    assert service.delete(PATH).status_code == 204
    for answer in (service.get(PATH), service.delete(PATH)):
        problem(answer, 404, "calendar_not_found")
    with psycopg.connect(database_url) as conn:
        versions = conn.execute("select count(*), count(until_seq) from calendar where name = 'us-holidays'")
        assert versions.fetchone() == (2, 2)
    check_ledger(database_url)


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("us holidays", {}, "name"),
        ("x" * 101, {}, "name"),
        ("us", {"labels": {"a:b": "c"}}, "body.labels"),
        ("us", {"labels": None}, "body.labels"),
        ("us", {"dates": [{"date": "2024-02-30"}]}, "dates.0.date"),
        ("us", {"dates": [EVE, EVE]}, "dates.1.date"),
        ("us", {"dates": [EVE] * 10_001}, "body.dates"),
        ("us", {"color": "red"}, "body.color"),
    ],
)
def test_an_invalid_calendar_changes_nothing(service: TestClient, name: str, change: Any, field: str) -> None:
    refused = problem(service.put(f"/v1/calendars/{name}", json=US | change), 422, "invalid_request")
    assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}
    assert service.get("/v1/calendars").json() == {"calendars": []}

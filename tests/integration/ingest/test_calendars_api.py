"""Calendars over HTTP: replaced as a whole, listed by name, removed, and only by administrators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from tests.integration.ingest.database import check_ledger, unchanged
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
    assert len(made["warnings"]) == 1, "no store has the label"
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
    assert service.get(PATH).json() == changed | {"warnings": []}
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
        ("us holidays", {}, "path.calendar"),
        ("x" * 101, {}, "path.calendar"),
        ("us", {"labels": {"a:b": "c"}}, "body.labels"),
        ("us", {"labels": None}, "body.labels"),
        ("us", {"dates": [{"date": "2024-02-30"}]}, "body.dates.0.date"),
        ("us", {"dates": [EVE, EVE]}, "body.dates.1.date"),
        ("us", {"dates": [EVE] * 10_001}, "body.dates"),
        ("us", {"color": "red"}, "body.color"),
    ],
)
def test_an_invalid_calendar_changes_nothing(service: TestClient, name: str, change: Any, field: str) -> None:
    refused = problem(service.put(f"/v1/calendars/{name}", json=US | change), 422, "invalid_request")
    assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}
    assert service.get("/v1/calendars").json() == {"calendars": []}


ICS = """BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20241225
END:VEVENT
BEGIN:VEVENT
DTSTART:20241224T100000
DTEND:20241224T140000
END:VEVENT
END:VCALENDAR
"""
AS_ICS = {"Content-Type": "text/calendar; charset=utf-8"}


def test_an_icalendar_body_replaces_the_calendar(service: TestClient, database_url: str) -> None:
    made = service.put(PATH, content=ICS, headers=AS_ICS, params={"label": "country:us"})
    assert made.status_code == 200, made.json()
    assert made.json()["labels"] == {"country": "us"}
    assert [(one["date"], len(one["intervals"])) for one in made.json()["dates"]] == [
        ("2024-12-24", 1),
        ("2024-12-25", 0),
    ]
    assert made.json()["warnings"] == ["no store has the labels country: us: check them, or label the stores"]
    assert service.put(PATH, json=US).json()["dates"] == made.json()["dates"]
    everyone = service.put(PATH, content=ICS, headers=AS_ICS).json()
    assert (everyone["labels"], everyone["warnings"]) == ({}, [])
    check_ledger(database_url)


def test_the_type_of_the_body_decides(service: TestClient) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": ""}):
        refused = problem(service.put(PATH, content=ICS, headers=headers), 415, "unsupported_media_type")
        assert "application/json or text/calendar" in refused["detail"]
    problem(
        service.put(PATH, content=ICS, headers={"Content-Type": "application/json"}), 422, "invalid_request"
    )
    wrong = problem(service.put(PATH, content=b"{}", headers=AS_ICS), 422, "invalid_request")
    assert wrong["field"] == "line 1"
    doubled = problem(service.put(PATH, json=US, params={"label": "a:b"}), 422, "invalid_request")
    assert doubled["field"] == "query.label"
    label = problem(
        service.put(PATH, content=ICS, headers=AS_ICS, params={"label": "x"}), 422, "invalid_request"
    )
    assert label["field"] == "query.label"
    problem(service.put(PATH, content=b" " * (10 << 20) + b"x", headers=AS_ICS), 413, "body_too_large")
    refused = problem(
        service.put(PATH, content=ICS.replace("20241225", "20241325"), headers=AS_ICS), 422, "invalid_request"
    )
    assert (refused["field"], refused["detail"][:7]) == ("line 3", "line 3:")
    assert service.get("/v1/calendars").json() == {"calendars": []}


def test_a_dry_run_shows_the_calendar_and_changes_nothing(service: TestClient, database_url: str) -> None:
    service.put(PATH, json=US)
    with unchanged(database_url):
        shown = service.put(PATH, content=ICS, headers=AS_ICS, params={"dry_run": "true"}).json()
        assert shown["date_count"] == 2
        assert service.put(PATH, json=US | {"dates": []}, params={"dry_run": "true"}).json()["dates"] == []
    assert service.get(PATH).json()["labels"] == {"country": "us"}

"""Special hours, lifetimes and dated hours of one store over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.diagnostics.registry import DIAGNOSTICS
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ingest_service, problem
from tests.integration.ingest.test_http_stores import MONDAY, put

PATH = "/v1/stores/a%2Fb/special-hours"
MORNING = {"start_time_local": "10:00", "end_time_local": "14:00"}
EVE = {"date": "2024-12-24", "intervals": [MORNING]}
CHRISTMAS = {"date": "2024-12-25"}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


def dates(service: TestClient) -> dict[str, list[tuple[str, str]]]:
    return {
        one["date"]: [(each["start_time_local"], each["end_time_local"]) for each in one["intervals"]]
        for one in service.get(PATH).json()["dates"]
    }


def test_special_hours_are_replaced_as_a_whole(service: TestClient, database_url: str) -> None:
    assert put(service, PATH, {"dates": [CHRISTMAS, EVE]}) == (2, 0, 0)
    assert dates(service) == {"2024-12-24": [("10:00:00", "14:00:00")], "2024-12-25": []}
    later = [MORNING, {"start_time_local": "16:00", "end_time_local": "18:00"}]
    assert put(service, PATH, {"dates": [{**EVE, "intervals": later}, {"date": "2025-01-01"}]}) == (1, 0, 2)
    assert dates(service) == {
        "2024-12-24": [("10:00:00", "14:00:00"), ("16:00:00", "18:00:00")],
        "2025-01-01": [],
    }
    assert service.delete(PATH, params={"date": "2025-01-01"}).is_success
    assert list(dates(service)) == ["2024-12-24"]
    assert service.delete(PATH).is_success
    assert dates(service) == {}
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*), count(until_seq) from special_hours").fetchone() == (4, 4)
        cut = conn.execute("select data_cut from ledger_head").fetchone()
        assert service.delete(PATH).is_success
        assert conn.execute("select data_cut from ledger_head").fetchone() == cut
    check_ledger(database_url)


def test_a_lifetime_is_replaced(service: TestClient) -> None:
    path = "/v1/stores/a/lifetime"
    assert put(service, path, {"opened_at": "2024-05-01T10:00:00-05:00"}) == (1, 0, 0)
    assert service.get(path).json() == {
        "store_id": "a",
        "opened_at": "2024-05-01T15:00:00Z",
        "closed_at": None,
    }
    assert put(service, path, {"opened_at": None, "closed_at": "2024-06-01T00:00:00Z"}) == (0, 0, 1)
    assert put(service, path, {"closed_at": "2024-06-01T00:00:00Z"}) == (0, 1, 0)
    assert put(service, path, {}) == (0, 0, 1)
    assert service.get(path).json() == {"store_id": "a", "opened_at": None, "closed_at": None}


def test_hours_from_a_date_on_leave_the_others_alone(service: TestClient, database_url: str) -> None:
    path = "/v1/stores/a/hours"
    assert put(service, path, {"hours": [MONDAY]}) == (1, 0, 0)
    assert put(service, path, {"hours": [MONDAY]}, effective_from="2025-03-01") == (1, 0, 0)
    assert put(service, path, {"hours": []}, effective_from="2025-03-01") == (0, 0, 1)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from business_hours").fetchone() == (1,)
        held = conn.execute("select effective_from::text, intervals from dated_hours where until_seq is null")
        assert held.fetchall() == [("2025-03-01", [])]
    refused = problem(service.put(f"{path}?effective_from=March", json={"hours": []}), 422, "invalid_request")
    assert refused["field"] == "query.effective_from"


def test_without_hours_the_store_has_those_of_its_first_date(service: TestClient) -> None:
    path = "/v1/stores/a/hours"

    def warned(**params: str) -> str:
        (text,) = service.put(path, params={"create": "true", **params}, json={"hours": []}).json()[
            "warnings"
        ]
        return str(text)

    assert "so the store counts as open 24x7;" in warned()
    put(service, path, {"hours": [MONDAY]}, effective_from="2025-03-01")
    assert "so the store has its hours from 2025-03-01 on also before that date;" in warned()
    assert "so the store counts as open 24x7 from 2025-04-01 on;" in warned(effective_from="2025-04-01")


def test_hours_from_a_date_on_are_removed(service: TestClient, database_url: str) -> None:
    path = "/v1/stores/a/hours"
    put(service, path, {"hours": [MONDAY]}, effective_from="2025-03-01")
    put(service, path, {"hours": []}, effective_from="2025-04-01")
    missed = service.delete(path, params={"effective_from": "2025-03-02"}).json()
    assert missed["warnings"] == [
        "the store has no hours from 2025-03-02 on, so nothing was removed: it has hours from 2025-03-01, 2025-04-01 on"
    ]
    gone = service.delete(path, params={"effective_from": "2025-03-01"}).json()
    assert gone["warnings"] == []
    with psycopg.connect(database_url) as conn:
        held = conn.execute("select effective_from::text from dated_hours where until_seq is null").fetchall()
    assert held == [("2025-04-01",)]
    assert service.get(f"/v1/imports/{gone['import_id']}").json()["kind"] == "hours"
    refused = problem(service.delete(path, params={"effective_from": "March"}), 422, "invalid_request")
    assert refused["field"] == "query.effective_from"
    problem(service.delete(path), 422, "invalid_request")
    check_ledger(database_url)


def test_what_a_zone_skips_is_told(service: TestClient) -> None:
    service.put("/v1/stores/apia/timezone?create=true", json={"timezone": "Pacific/Apia"})
    path = "/v1/stores/apia/special-hours"
    skipped = [DIAGNOSTICS["skipped_local_time"]]
    expected = [f"{one.text}: {one.fix}" for one in skipped]
    assert service.put(path, json={"dates": [{"date": "2011-12-30"}]}).json()["warnings"] == expected
    assert service.put(path, json={"dates": [{"date": "2011-12-31"}]}).json()["warnings"] == []


def test_a_store_that_does_not_exist_has_none(service: TestClient) -> None:
    for path in ("/v1/stores/x/special-hours", "/v1/stores/x/lifetime"):
        problem(service.get(path), 404, "store_not_found")
    for path in ("/v1/stores/x/special-hours", "/v1/stores/x/hours?effective_from=2025-03-01"):
        assert "create" not in problem(service.delete(path), 404, "store_not_found")["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (PATH, {"dates": [{"date": "24.12.2024"}]}, "body.dates.0.date"),
        (PATH, {"dates": [EVE, EVE]}, "body.dates.1.date"),
        (PATH, {"dates": [{**EVE, "intervals": [{"start_time_local": "24:00", "end_time_local": "9:00"}]}]}, "body.dates.0.intervals.0"),
        (PATH, {"dates": [{**EVE, "intervals": [{"start_time_local": "", "end_time_local": ""}]}]}, "body.dates.0.intervals.0"),
        (PATH, {"dates": [{**EVE, "intervals": [{"start_time_local": "9:00"}]}]}, "body.dates.0.intervals.0.end_time_local"),
        (PATH, {"dates": [CHRISTMAS] * 10_001}, "body.dates"),
        (PATH, {}, "body.dates"),
        ("/v1/stores/a/lifetime", {"opened_at": "2024-05-01"}, "body.opened_at"),
        ("/v1/stores/a/lifetime", {"closed_at": "2024-05-01T00:00:00"}, "body.closed_at"),
        ("/v1/stores/a/lifetime", {"opened_at": "2024-05-02T00:00Z", "closed_at": "2024-05-01T00:00Z"}, "body.closed_at"),
    ],
)  # fmt: skip
def test_an_invalid_change_changes_nothing(
    service: TestClient, database_url: str, path: str, body: Any, field: str
) -> None:
    refused = problem(service.put(path, json=body), 422, "invalid_request")
    assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select seq from ledger_head").fetchone() == (0,)


def test_answers_name_the_value_and_doubt_equal_times(service: TestClient) -> None:
    """As files do."""
    equal = {"start_time_local": "0:00", "end_time_local": "0:00"}
    around = {"start_time_local": "0:00", "end_time_local": "24:00"}
    given = {
        "dates": [{"date": "2024-12-24", "intervals": [equal]}, {"date": "2024-12-25", "intervals": [around]}]
    }
    (warning,) = service.put(PATH, params={"create": True}, json=given).json()["warnings"]
    assert "1 opening has the same time twice" in warning
    assert "0:00 to 0:00 on 2024-12-24" in warning
    bad = [
        ({"date": "24.12.2024"}, "'24.12.2024': the date"),
        (
            {"date": "2024-12-24", "intervals": [{**equal, "end_time_local": "noon"}]},
            "'0:00' to 'noon': the time",
        ),
        (
            {"date": "2024-12-24", "intervals": [{**equal, "end_time_local": "17.50"}]},
            "'17.50': a time such as",
        ),
    ]
    for one, told in bad:
        assert told in problem(service.put(PATH, json={"dates": [one]}), 422, "invalid_request")["detail"]


def test_no_call_adds_a_store_for_every_store(service: TestClient) -> None:
    path = "/v1/stores/*/special-hours"
    answer = service.put(path, params={"create": True}, json={"dates": [CHRISTMAS]})
    assert "* stands for every store" in problem(answer, 422, "invalid_request")["detail"]

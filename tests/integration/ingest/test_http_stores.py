"""Changes of one store are checked and recorded like files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from fastapi.testclient import TestClient

from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ingest_service, problem

MONDAY = {"day_of_week": 0, "start_time_local": "10:00", "end_time_local": "22:00:30"}
TUESDAY = MONDAY | {"day_of_week": 1}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


def put(service: TestClient, path: str, body: Any, **query: str) -> tuple[int, int, int]:
    answer = service.put(path, json=body, params={"create": "true", **query})
    shown = answer.json()
    assert answer.status_code == 200, shown
    recorded = service.get(f"/v1/imports/{shown['import_id']}").json()
    assert recorded["state"] == "succeeded"
    assert {name: recorded["counts"][name] for name in shown["counts"]} == shown["counts"]
    counts = shown["counts"]
    return counts["accepted"], counts["duplicate"], counts["corrected"]


def hours(database_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(
            "select store_id, day_of_week, opens, closes from business_hours join store using (store_key)"
            " order by 1, 2, 3"
        ).fetchall()


def test_hours_are_replaced(service: TestClient, database_url: str) -> None:
    path = "/v1/stores/a%2Fb/hours"
    assert put(service, path, {"hours": [MONDAY, TUESDAY, MONDAY]}) == (2, 1, 0)
    # A call that only takes hours away has changed something.
    assert put(service, path, {"hours": [MONDAY]}) == (0, 1, 1)
    assert hours(database_url) == [("a/b", 0, 36_000, 79_230)]
    assert put(service, path, {"hours": []}) == (0, 0, 1)
    assert put(service, path, {"hours": []}) == (0, 0, 0)
    assert hours(database_url) == []
    check_ledger(database_url)


def test_the_zone_is_replaced(service: TestClient, database_url: str) -> None:
    path = "/v1/stores/007/timezone"
    assert put(service, path, {"timezone": "America/Denver"}) == (1, 0, 0)
    assert put(service, path, {"timezone": "America/Denver"}) == (0, 1, 0)
    assert put(service, path, {"timezone": "Asia/Kolkata"}) == (0, 0, 1)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select store_id, timezone from store").fetchall() == [("007", "Asia/Kolkata")]
    check_ledger(database_url)


def test_labels_are_replaced(service: TestClient, database_url: str) -> None:
    path = "/v1/stores/a%2Fb/labels"
    assert put(service, path, {"labels": {"region": "north", "owner": "Müller & Söhne"}}) == (2, 0, 0)
    assert put(service, path, {"labels": {"region": "south", "owner": "Müller & Söhne", "x": "1"}}) == (
        1,
        1,
        1,
    )
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select store_id, labels from store").fetchall() == [
            ("a/b", {"region": "south", "owner": "Müller & Söhne", "x": "1"})
        ]
    assert put(service, path, {"labels": {}}) == (0, 0, 3)
    check_ledger(database_url)


CHANGES: dict[str, Any] = {
    "hours": {"hours": [MONDAY]},
    "timezone": {"timezone": "UTC"},
    "labels": {"labels": {"a": "b"}},
    "special-hours": {"dates": [{"date": "2024-12-25"}]},
    "lifetime": {"opened_at": "2024-05-01T00:00:00Z"},
}
TYPOS = ["b", "A", "a ", "a.1", "0a", "a/b", "ä", "a%20b"]


@pytest.mark.parametrize("field", CHANGES)
def test_a_typo_makes_no_store(service: TestClient, database_url: str, field: str) -> None:
    assert put(service, f"/v1/stores/a/{field}", CHANGES[field])[0] == 1
    for typo in TYPOS:
        path = f"/v1/stores/{quote(typo, safe='')}/{field}"
        known = typo.strip() == "a"
        for params in ({}, {"create": "false"}):
            answer = service.put(path, json=CHANGES[field], params=params)
            assert answer.status_code == (200 if known else 404), answer.text
            if not known:
                assert "create=true" in problem(answer, 404, "store_not_found")["detail"]
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select store_id from store").fetchall() == [("a",)]
        assert conn.execute("select count(*) from import where source <> 'store a'").fetchone() == (0,)
    assert (
        service.put(f"/v1/stores/b/{field}", json=CHANGES[field], params={"create": "x"}).status_code == 422
    )
    check_ledger(database_url)


@pytest.mark.parametrize(
    ("timezone", "stored", "said"),
    [
        ("Eastern Standard Time", "America/New_York", "is read as America/New_York"),
        ("EST", "EST", "probably America/New_York"),
        ("Etc/GMT-5", "Etc/GMT-5", "the wrong way round: probably America/New_York"),
        ("UTC-11", "Etc/GMT+11", "Pacific/Pago_Pago"),
    ],
)
def test_the_answer_says_what_to_check(service: TestClient, timezone: str, stored: str, said: str) -> None:
    path = "/v1/stores/a/timezone"
    answer = service.put(path, json={"timezone": timezone}, params={"create": "true"}).json()
    assert said in " ".join(answer["warnings"])
    assert service.put(path, json={"timezone": stored}).json()["counts"]["duplicate"] == 1


def test_hours_may_be_written_as_in_files(service: TestClient, database_url: str) -> None:
    hours = [
        {"day_of_week": "Monday", "start_time_local": "9:00 AM", "end_time_local": "5:00 PM"},
        {"day_of_week": "tue", "start_time_local": "9.00", "end_time_local": "24:00"},
        {"day_of_week": "2", "start_time_local": "09:00:00", "end_time_local": "17:00"},
        {"day_of_week": 3, "start_time_local": "09:00", "end_time_local": "17:00"},
    ]
    answer = service.put("/v1/stores/a/hours", json={"hours": hours}, params={"create": "true"})
    assert answer.json()["counts"]["accepted"] == 4, answer.text
    assert answer.json()["warnings"] == []
    with psycopg.connect(database_url) as conn:
        rows = conn.execute("select day_of_week, opens, closes from business_hours order by 1").fetchall()
    assert rows == [(0, 32_400, 61_200), (1, 32_400, 0), (2, 32_400, 61_200), (3, 32_400, 61_200)]


def test_doubtful_hours_are_answered_with_warnings(service: TestClient) -> None:
    hours = [
        {"day_of_week": day, "start_time_local": "9:00", "end_time_local": "5:00"} for day in range(1, 6)
    ]
    answer = service.put("/v1/stores/a/hours", json={"hours": hours}, params={"create": "true"}).json()
    numbered, long = answer["warnings"]
    assert "1 is read as Tuesday" in numbered
    assert "5 openings last more than 16 hours and end on the next day, such as 9:00 to 5:00" in long
    named = [interval | {"day_of_week": "Mon"} for interval in hours[:1]]
    refused = service.put("/v1/stores/a/hours", json={"hours": [hours[0] | {"day_of_week": 7}]})
    assert "0 (Monday) to 6 (Sunday), or an English name such as Monday, not 7" in refused.json()["detail"]
    assert service.put("/v1/stores/a/hours", json={"hours": named}).status_code == 200
    shut = [*named, {"day_of_week": "Sun", "start_time_local": "00:00", "end_time_local": "00:00"}]
    warned = " ".join(service.put("/v1/stores/a/hours", json={"hours": shut}).json()["warnings"])
    assert "1 opening has the same time twice and counts as 24 hours, such as 00:00 to 00:00" in warned


def test_a_zone_of_the_machine_is_refused(service: TestClient) -> None:
    answer = service.put("/v1/stores/a/timezone", json={"timezone": "localtime"}, params={"create": "true"})
    assert "each machine" in problem(answer, 422, "invalid_request")["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("a/timezone", {"timezone": "Mars/Olympus"}, "body.timezone"),
        ("a/hours", {"hours": [MONDAY | {"start_time_local": "24:00"}]}, "body.hours.0"),
        (
            "a/hours",
            {"hours": [MONDAY | {"start_time_local": "9:00 AM", "end_time_local": "5:00"}]},
            "body.hours.0",
        ),
        ("a/hours", {"hours": [MONDAY | {"day_of_week": 7}]}, "body.hours.0.day_of_week"),
        ("a/hours", {"hours": [MONDAY | {"day_of_week": "Montag"}]}, "body.hours.0.day_of_week"),
        ("a/hours", {"hours": [MONDAY | {"day_of_week": 0.0}]}, "body.hours.0.day_of_week"),
        ("a/hours", {"hours": [MONDAY | {"day_of_week": None}]}, "body.hours.0.day_of_week"),
        ("a/hours", {"hours": [MONDAY | {"day_of_week": True}]}, "body.hours.0.day_of_week"),
        ("a/hours", {"hours": [MONDAY | {"colour": "red"}]}, "body.hours.0.colour"),
        ("a/hours", {"hours": [MONDAY] * 10_000}, "body.hours"),
        ("a/hours", {"hours": None}, "body.hours"),
        ("a/hours", {}, "body.hours"),
        ("a/labels", {"labels": {"a:b": "c"}}, "body.labels"),
        ("a/labels", {"labels": {"a": ""}}, "body.labels"),
        ("a/labels", {"labels": {"a": "\n"}}, "body.labels"),
        ("a/labels", {"labels": {"a": 1}}, "body.labels.a"),
        ("a/labels", {"labels": {f"l{n}": "x" for n in range(33)}}, "body.labels"),
        ("a/labels", {}, "body.labels"),
        ("%20/hours", {"hours": []}, "path.store_id"),
        ("a%09b/hours", {"hours": []}, "path.store_id"),
        ("x" * 1025 + "/hours", {"hours": []}, "path.store_id"),
    ],
)
def test_an_invalid_change_changes_nothing(
    service: TestClient, database_url: str, path: str, body: Any, field: str
) -> None:
    refused = problem(service.put(f"/v1/stores/{path}", json=body), 422, "invalid_request")
    assert field in {refused.get("field"), *(found["field"] for found in refused.get("errors", []))}
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select seq, (select count(*) from store) from ledger_head").fetchone() == (0, 0)


@pytest.mark.parametrize("path", ["a/hours", "a/timezone", "a/labels"])
def test_invalid_bodies_are_refused(service: TestClient, path: str) -> None:
    def put_raw(content: bytes, kind: str = "application/json") -> Any:
        return service.put(f"/v1/stores/{path}", content=content, headers={"Content-Type": kind})

    problem(put_raw(b"a,b", "text/csv"), 415, "unsupported_media_type")
    for body in (b"", b"{", b"[]", b"\xff"):
        problem(put_raw(body), 422, "invalid_request")
    for body in (b"[" * 1_000_000, b'{"a":' * 100_000):
        problem(put_raw(body), 400, "too_deep")
    problem(put_raw(b" " * (2 << 20)), 413, "body_too_large")

"""Calls of hooks through the real service: items become polls, or are kept as rejected rows."""

import gzip
import json
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.http import write_hooks
from tests.fixtures.services import wait_until
from tests.integration.ingest.database import check_ledger, observations, unchanged
from tests.integration.ingest.hooks import (
    AT,
    BY_TOKEN,
    MAPPING,
    TOKEN,
    by_token,
    counts,
    item,
    put,
    send,
    signed,
)
from tests.integration.ingest.service import ingest_service


def rejects(service: TestClient) -> list[list[str]]:
    (live,) = service.get("/v1/imports").json()["imports"]
    lines = service.get(f"/v1/imports/{live['id']}/rejects").text.splitlines()[1:]
    return [[line.split(",")[2], line.rsplit(",", 1)[1]] for line in lines]


def test_a_signed_call_becomes_an_event_with_its_reason_and_end(
    hook_service: TestClient, database_url: str
) -> None:
    secret = put(hook_service)["secret"]
    body = json.dumps(item(why="PAUSED_BY_RESTAURANT", until="2024-09-02T10:30:00Z")).encode()
    assert counts(send(hook_service, body, signed(secret, body))) == (2, 0, 0, 0, 0)
    assert observations(database_url) == {
        ("a", "2024-09-02 10:00:00.000000"): False,
        ("a", "2024-09-02 10:30:00.000000"): True,
    }
    with psycopg.connect(database_url) as conn:
        codes = conn.execute("select code from poll_note order by observed_at").fetchall()
    assert codes == [(1 << 2 | 2,), (3,)]
    check_ledger(database_url)


def test_bad_items_are_kept_as_rejected_rows_and_the_rest_is_stored(
    hook_service: TestClient, database_url: str
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    put(hook_service, mapping={**MAPPING, "each": "/events"}, signature=BY_TOKEN, secret=TOKEN)
    payload = {
        "events": [
            item(), item("nowhere"), item("a\u0000b"), item(at="yesterday"), item(state="ODD"), item("b", soon),
            item("b", why="tired"), item("b", until=AT), item("b", state="HIDDEN"), item("b", until=soon), 7,
        ]
    }  # fmt: skip
    assert counts(by_token(hook_service, payload)) == (2, 0, 0, 8, 1)
    assert rejects(hook_service) == [
        [reason, "hook pos version 1"]
        for reason in (
            "unknown_store", "control_character", "timestamp", "status", "future", "unknown_reason", "until_order",
            "status",
        )
    ]  # fmt: skip
    assert set(observations(database_url).values()) == {False}
    check_ledger(database_url)


def test_rejected_items_alone_are_kept_too(hook_service: TestClient, database_url: str) -> None:
    put(hook_service, mapping={**MAPPING, "each": "/events"}, signature=BY_TOKEN, secret=TOKEN)
    assert counts(by_token(hook_service, {"events": {}})) == (0, 0, 0, 1, 0)
    assert counts(by_token(hook_service, {"events": [item("x")]})) == (0, 0, 0, 1, 0)
    assert [reason for reason, _ in rejects(hook_service)] == ["not_a_list", "unknown_store"]
    check_ledger(database_url)


def test_a_hook_counts_its_calls_and_names_the_import_of_its_rejected_items(hook_service: TestClient) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    quiet = put(hook_service, "quiet", signature=BY_TOKEN, secret=TOKEN)
    by_token(hook_service, item())
    by_token(hook_service, item("x"))
    by_token(hook_service, item("x"), status=401, **{"X-Token": "wrong"})
    called, uncalled = hook_service.get("/v1/hooks").json()["hooks"]
    (live,) = hook_service.get("/v1/imports").json()["imports"]
    assert (called["calls"], called["rejected"], called["rejects_import"]) == (2, 1, live["id"])
    assert called["last_call_at"] > called["changed_at"]
    assert (uncalled["calls"], uncalled["last_call_at"]) == (0, None)
    assert uncalled == {**{name: quiet[name] for name in uncalled}, "secret_change": None}


def test_a_hook_may_add_stores(hook_service: TestClient, database_url: str) -> None:
    put(hook_service, mapping={**MAPPING, "unknown_stores": "add"}, signature=BY_TOKEN, secret=TOKEN)
    assert counts(by_token(hook_service, item("new"))) == (1, 0, 0, 0, 0)
    assert ("new", "2024-09-02 10:00:00.000000") in observations(database_url)


def test_ignored_calls_are_counted_and_change_nothing_else(hook_service: TestClient) -> None:
    put(hook_service, mapping={**MAPPING, "only": {"/type": ["status"]}}, signature=BY_TOKEN, secret=TOKEN)
    put(hook_service, "list", mapping={**MAPPING, "each": "/all"}, signature=BY_TOKEN, secret=TOKEN)
    for _ in range(3):
        assert counts(by_token(hook_service, item(type="order"))) == (0, 0, 0, 0, 1)
    assert counts(send(hook_service, {"all": []}, {"X-Token": TOKEN}, name="list")) == (0, 0, 0, 0, 0)

    def ignored() -> list[int]:
        return [one["ignored_calls"] for one in hook_service.get("/v1/hooks").json()["hooks"]]

    wait_until(lambda: sum(ignored()) == 4, "the counts")
    assert ignored() == [1, 3]
    assert hook_service.get("/v1/imports").json()["imports"] == []
    assert counts(by_token(hook_service, item(type="status"))) == (1, 0, 0, 0, 0)
    found = hook_service.get("/v1/hooks/pos").json()
    assert (found["calls"], found["ignored_calls"]) == (1, 3)
    assert found["changed_at"] < found["last_ignored_at"] < found["last_call_at"]
    shown = hook_service.get("/metrics").text
    assert 'uptill_hook_calls_total{hook="list",result="ignored"} 1.0' in shown


def test_the_last_ignored_calls_are_counted_when_the_service_stops(database_url: str, tmp_path: Path) -> None:
    with ingest_service(database_url, tmp_path / "spool", scopes=("ingest:write", "admin")) as client:
        put(client, mapping={**MAPPING, "only": {"/type": ["status"]}}, signature=BY_TOKEN, secret=TOKEN)
        by_token(client, item(type="order"))
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select ignored_calls, calls from hook").fetchall() == [(1, 0)]


def test_numbers_are_instants_in_the_given_unit(hook_service: TestClient, database_url: str) -> None:
    put(hook_service, mapping={**MAPPING, "unit": "ms"}, signature=BY_TOKEN, secret=TOKEN)
    for at in (1725271200000, "1725271201000", 1725271202000.25):
        assert counts(by_token(hook_service, item(at=at))) == (1, 0, 0, 0, 0)
    assert [at for _, at in sorted(observations(database_url))] == [
        "2024-09-02 10:00:00.000000", "2024-09-02 10:00:01.000000", "2024-09-02 10:00:02.000250",
    ]  # fmt: skip


def test_a_compressed_body_is_signed_as_it_was_before(hook_service: TestClient) -> None:
    secret = put(hook_service)["secret"]
    body = json.dumps(item()).encode()
    headers = {**signed(secret, body), "Content-Encoding": "gzip"}
    assert counts(send(hook_service, gzip.compress(body), headers)) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "invalid_request"),
        (b'{"a":1,"a":2}', 422, "invalid_request"),
        (b'{"store": NaN}', 422, "invalid_request"),
        (b"[-Infinity]", 422, "invalid_request"),
        (b"\xff", 422, "invalid_request"),
        (b"[" * 100_000, 400, "too_deep"),
        (b'"' + b"x" * (1 << 20) + b'"', 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    hook_service: TestClient, database_url: str, body: bytes, status: int, code: str
) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    with unchanged(database_url):
        found = by_token(hook_service, body, status)
    assert found["type"] == f"urn:uptill:error:{code}"
    assert TOKEN not in json.dumps(found)


def test_a_body_that_is_not_utf8_is_called_that(hook_service: TestClient) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    assert "is not UTF-8, because of the byte 0xfc" in by_token(hook_service, b'{"a": "\xfc"}', 422)["detail"]
    polls = hook_service.post(
        "/v1/observations", content=b'{"a": "\xfc"}', headers={"Content-Type": "application/json"}
    )
    assert (polls.status_code, "is not UTF-8" in polls.json()["detail"]) == (422, True)


def test_a_number_of_thousands_of_digits_costs_only_its_item(
    hook_service: TestClient, database_url: str
) -> None:
    put(hook_service, mapping={**MAPPING, "each": ""}, signature=BY_TOKEN, secret=TOKEN)
    others = [json.dumps(item(store)) for store in ("a", "b")]
    body = f"[{others[0]}, {json.dumps(item(at=0)).replace(': 0', ': ' + '9' * 5000)}, {others[1]}]"
    assert counts(by_token(hook_service, body.encode())) == (2, 0, 0, 1, 0)
    assert rejects(hook_service) == [["timestamp", "hook pos version 1"]]
    check_ledger(database_url)


def test_another_media_type_and_another_name_are_refused(hook_service: TestClient) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    found = send(hook_service, item(), {"X-Token": TOKEN, "Content-Type": "text/plain"}, status=415)
    assert found["type"].endswith("unsupported_media_type")
    found = send(hook_service, item(), {"X-Token": TOKEN}, name="other", status=404)
    assert found["type"].endswith("hook_not_found")


def test_a_hook_with_many_bad_items_leaves_room_for_others(
    hook_service: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_hooks, "MAX_KEPT", 3)
    for name in ("pos", "till"):
        put(hook_service, name, mapping={**MAPPING, "each": "/events"}, signature=BY_TOKEN, secret=TOKEN)
    for _ in range(2):
        bad = {"events": [item("x"), item("y")]}
        assert counts(by_token(hook_service, bad)) == (0, 0, 0, 2, 0)
    assert counts(by_token(hook_service, {"events": [item("x")]})) == (0, 0, 0, 1, 0)
    send(hook_service, {"events": [item("x"), item("y")]}, {"X-Token": TOKEN}, name="till")
    assert [source for _, source in rejects(hook_service)] == ["hook pos version 1"] * 3 + [
        "hook till version 1"
    ] * 2
    (live,) = hook_service.get("/v1/imports").json()["imports"]
    hooks = hook_service.get("/v1/hooks").json()["hooks"]
    assert live["counts"]["rejected"] == sum(one["rejected"] for one in hooks) == 5 + 2
    check_ledger(database_url)


def test_a_sender_that_leaves_is_not_a_bug(hook_service: TestClient) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    answers: list[MutableMapping[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send_back(message: MutableMapping[str, object]) -> None:
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/hooks/pos", "raw_path": b"/v1/hooks/pos", "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"content-type", b"application/json"), (b"x-token", TOKEN.encode())],
    }  # fmt: skip
    assert hook_service.portal is not None
    hook_service.portal.call(hook_service.app, scope, receive, send_back)
    assert answers[0]["status"] == 499

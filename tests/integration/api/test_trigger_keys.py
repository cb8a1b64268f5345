"""An Idempotency-Key of `/trigger_report` means what it means for `POST /v1/reports`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from shared.errors import BadHeader
from shared.http.idempotency import refuse_unusable_key
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.integration.api.test_api import FLEET, NOW

HEADERS = {"Idempotency-Key": "nightly"}


def add_polls(env: dict[str, str]) -> None:
    """Make the same request a different question."""
    load_fleet(env["UPTILL_DATABASE_URL"], {"another": Store(polls=[(NOW - timedelta(hours=1), True)])})


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_same_key_gives_the_same_report_after_the_data_have_changed(
    api: TestClient, env: dict[str, str], method: str
) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    first = api.request(method, "/trigger_report", headers=HEADERS).json()
    add_polls(env)
    assert api.request(method, "/trigger_report", headers=HEADERS).json() == first
    assert api.post("/v1/reports", headers=HEADERS).json()["id"] == first["report_id"], "the same request"
    assert api.request(method, "/trigger_report", headers={"Idempotency-Key": "other"}).json() != first
    assert api.request(method, "/trigger_report").json() != first


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_key_of_another_request_is_refused(api: TestClient, method: str) -> None:
    assert api.post("/v1/reports", json={"policy": "hold"}, headers=HEADERS).status_code == 202
    refused = api.request(method, "/trigger_report", headers=HEADERS)
    problem(refused, 422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "ü" * 256, "a\tb", "a\x7f", "a\x85b"])
def test_a_key_that_names_no_request_is_refused_by_get_too(api: TestClient, key: str) -> None:
    refused = api.get("/trigger_report", headers={b"Idempotency-Key": key.encode()})
    problem(refused, 400, "bad_header")


@pytest.mark.parametrize("key", [b"\xff", b"a\xfcb"])
def test_a_key_is_utf8(key: bytes) -> None:
    # The client of tests writes every header in UTF-8.
    request = Request({"type": "http", "headers": [(b"idempotency-key", key)]})
    with pytest.raises(BadHeader, match="the Idempotency-Key is not UTF-8"):
        refuse_unusable_key(request)


def test_a_key_has_characters_and_not_bytes(api: TestClient) -> None:
    headers = {b"Idempotency-Key": ("ü" * 255).encode()}
    first = api.post("/trigger_report", headers=headers)
    assert first.status_code == 200
    assert api.post("/v1/reports", headers=headers).json()["id"] == first.json()["report_id"]


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"policy": "hold"}', "application/json"),
        (b"null", ""),
        (b"a,b", "text/csv"),
        (b"\0" * 3_000_000, ""),
    ],
)
def test_parameters_are_refused(api: TestClient, method: str, body: bytes, kind: str) -> None:
    refused = api.request(method, "/trigger_report", content=body, headers={"Content-Type": kind})
    problem(refused, 422, "invalid_request")
    assert "POST /v1/reports" in refused.json()["detail"]
    packed = api.request(method, "/trigger_report", content=body, headers={"Content-Encoding": "gzip"})
    assert packed.status_code in {400, 422}
    assert api.get("/v1/reports").json()["reports"] == []


@pytest.mark.parametrize("body", [b"", b"{}", b" {\n} "])
def test_no_parameters_are_none(api: TestClient, body: bytes) -> None:
    assert api.post("/trigger_report", content=body).status_code == 200


def test_many_at_once_make_one_report_also_after_the_data_have_changed(
    api: TestClient, env: dict[str, str]
) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)

    def trigger(number: int) -> str:
        answer = api.request(("POST", "GET")[number % 2], "/trigger_report", headers=HEADERS)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["report_id"])

    with ThreadPoolExecutor(20) as threads:
        found = set(threads.map(trigger, range(20)))
        add_polls(env)
        assert len(found | set(threads.map(trigger, range(20)))) == 1
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        assert conn.execute("select count(*) from report").fetchone() == (1,)

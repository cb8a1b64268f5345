"""What clients and proxies expect of any HTTP service: HEAD, no redirects by slash, encodings, deprecation."""

import gzip
import json
from collections.abc import Iterator

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api.main import create_app as create_api
from services.ingest.http.main import create_app as create_ingest
from shared.settings import Settings

_JSON = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
_POLL = {"store_id": "a", "status": "active", "observed_at": "2024-10-14T10:00:00Z"}


@pytest.fixture(scope="module")
def settings(shared_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in shared_env.items()}
    spool = str(tmp_path_factory.mktemp("spool"))
    return Settings.model_validate(
        {**values, "spool_dir": spool, "allowed_hosts": "testserver,reports.example"}
    )


@pytest.fixture(params=["api", "ingest"])
def service(request: pytest.FixtureRequest) -> TestClient:
    client: TestClient = request.getfixturevalue(request.param)
    return client


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[TestClient]:
    yield from _client(create_api(settings), settings)


@pytest.fixture(scope="module")
def ingest(settings: Settings) -> Iterator[TestClient]:
    yield from _client(create_ingest(settings), settings)


def _client(app: FastAPI, settings: Settings) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with TestClient(app, headers=headers, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


class TestHead:
    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json", "/version", "/nowhere"])
    def test_it_answers_as_get_without_a_body(self, service: TestClient, path: str) -> None:
        asked, told = service.head(path), service.get(path)
        assert (asked.status_code, asked.content) == (told.status_code, b"")
        assert asked.headers["content-type"] == told.headers["content-type"]

    def test_resources_take_it_too(self, api: TestClient) -> None:
        report_id = api.post("/v1/reports", json={}).json()["id"]
        for path in ("/v1/reports", f"/v1/reports/{report_id}", f"/v1/reports/{report_id}/events"):
            asked = api.head(path)
            assert (asked.status_code, asked.content) == (200, b""), path
        assert api.head("/v1/reports", headers={"Authorization": "Bearer x"}).status_code == 401

    def test_it_accepts_no_report(self, api: TestClient, settings: Settings) -> None:
        reports = "select count(*) from report"
        with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
            before = conn.execute(reports).fetchone()
            refused = api.head("/trigger_report")
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
            assert conn.execute(reports).fetchone() == before


def test_a_refused_method_names_all_that_the_path_has(api: TestClient) -> None:
    refused = api.put("/trigger_report")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    assert refused.json()["detail"] == "/trigger_report does not support PUT: use GET, POST"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_slash_at_the_end_is_another_path_and_never_a_redirect(service: TestClient, method: str) -> None:
    path = "/v1/reports/" if service.get("/version").json()["service"] == "api" else "/v1/imports/"
    headers = {"Host": "reports.example", "X-Forwarded-Proto": "https"}
    answer = service.request(method, path, headers=headers)
    assert answer.status_code in {404, 405}
    assert "location" not in answer.headers
    if answer.status_code == 404 and method != "HEAD":
        # As a client sends /v1/stores/#b4.
        assert "%23" in answer.json()["detail"]


class TestEncodings:
    def test_gzip_of_json_is_read(self, api: TestClient, ingest: TestClient) -> None:
        asked = gzip.compress(json.dumps({"policy": "strict"}).encode())
        accepted = api.post("/v1/reports", content=asked, headers=_JSON)
        assert (accepted.status_code, accepted.json()["policy"]) == (202, "strict")
        polls = gzip.compress(json.dumps({"observations": [_POLL]}).encode())
        taken = ingest.post("/v1/observations", content=polls, headers=_JSON)
        assert (taken.status_code, taken.json()["accepted"]) == (200, 1)

    def test_gzip_of_a_form_is_read(self, ingest: TestClient) -> None:
        form = (
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\n\r\nstore_id\r\n--x--\r\n'
        )
        kind = {"Content-Type": "multipart/form-data; boundary=x", "Content-Encoding": "gzip"}
        assert ingest.post("/v1/imports", content=gzip.compress(form), headers=kind).status_code == 202

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            gzip.compress(b"{}")[:-1],
            gzip.compress(b"{}") + b"x",
            gzip.compress(b"{}") * 2,
            b"",
        ],
        ids=["plain", "cut", "more", "twice", "empty"],
    )
    def test_what_is_not_one_gzip_stream_is_refused(self, api: TestClient, body: bytes) -> None:
        answer = api.post("/v1/reports", content=body, headers=_JSON)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:uptill:error:bad_request")
        assert "not valid gzip" in answer.json()["detail"]

    def test_a_small_body_that_unpacks_to_a_large_one_is_refused(
        self, api: TestClient, settings: Settings
    ) -> None:
        body = gzip.compress(b" " * (settings.max_body_bytes + 1))
        assert len(body) < settings.max_body_bytes / 100
        assert api.post("/v1/reports", content=body, headers=_JSON).status_code == 413

    @pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
    def test_another_encoding_is_named(self, service: TestClient, encoding: str) -> None:
        path = "/v1/reports" if service.get("/version").json()["service"] == "api" else "/v1/imports"
        answer = service.post(path, content=b"x", headers={**_JSON, "Content-Encoding": encoding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
        assert f"Content-Encoding '{encoding}'" in answer.json()["detail"]


def test_a_name_given_twice_is_refused(ingest: TestClient, api: TestClient) -> None:
    twice = (
        '{"observations": [{"store_id": "a", "status": "active", "status": "inactive", "observed_at": "%s"}]}'
    )
    plain = {"Content-Type": "application/json"}
    for client, path, body in (
        (ingest, "/v1/observations", twice % _POLL["observed_at"]),
        (ingest, "/v1/stores/a/timezone", '{"timezone": "UTC", "timezone": "Asia/Tokyo"}'),
        (api, "/v1/reports", '{"policy": "carry", "policy": "strict"}'),
        (api, "/v1/reports", '{"stores": {"labels": {"a": "1", "a": "2"}}}'),
    ):
        method = "PUT" if "stores/" in path else "POST"
        refused = client.request(method, path, content=body, headers=plain)
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:uptill:error:invalid_request")
        assert "is given twice" in refused.json()["detail"]
    refused = api.post("/v1/reports", content='{"stores": NaN}', headers=plain)
    assert refused.json()["detail"] == "body: NaN is not a JSON value; write null or leave it out"


def test_every_error_has_its_request_id_and_names_fields_alike(service: TestClient) -> None:
    for path, headers in (
        ("/v1/stores/%FF", {}),
        ("/v1/nowhere", {"Host": "elsewhere.example"}),
        ("/nowhere", {}),
    ):
        answer = service.get(path, headers=headers)
        assert answer.status_code in {400, 404}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_triggering_by_get_is_deprecated(api: TestClient) -> None:
    assert api.get("/trigger_report").headers["deprecation"].startswith("@17")
    assert "deprecation" not in api.post("/trigger_report").headers

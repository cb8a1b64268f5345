"""What both HTTP services do around every route: hosts, headers, body limits, error answers, docs pages."""

import hashlib
import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api.main import create_app as create_api
from services.ingest.http.main import create_app as create_ingest
from shared.http import docs
from shared.http.hosts import allowed_hosts
from shared.http.problems import REGISTRY
from shared.ids import new_id
from shared.settings import Settings
from tests.fixtures.services import Services, answers, wait_until

# In shared/http/swagger/README.md.
SWAGGER = dict(
    re.findall(
        r"^\| `([a-z.-]+)` \| `([0-9a-f]{64})` \|$",
        (Path(docs.__file__).parent / "swagger" / "README.md").read_text(),
        re.MULTILINE,
    )
)
_JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def settings(shared_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in shared_env.items()}
    given = {
        "spool_dir": str(tmp_path_factory.mktemp("spool")),
        "allowed_hosts": "*.stores.example, testserver",
    }
    return Settings.model_validate({**values, **given, "cors_origins": "https://board.example"})


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
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        yield client


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:8000", "stores.example", "", "[", "a b", "*"]
    )
    def test_an_unknown_host_is_refused(self, service: TestClient, host: str) -> None:
        answer = service.get("/version", headers={"Host": host})
        assert answer.status_code == 400
        assert answer.json()["type"] == "urn:uptill:error:unknown_host"
        assert answer.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize(
        "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:80", "eu.stores.example"]
    )
    def test_known_hosts_are_accepted(self, service: TestClient, host: str) -> None:
        assert service.get("/version", headers={"Host": host}).status_code == 200

    def test_probes_may_use_any_host(self, service: TestClient) -> None:
        assert service.get("/livez", headers={"Host": "10.1.2.3:8000"}).status_code == 200

    def test_the_hosts_of_the_service_urls_are_allowed(self) -> None:
        settings = Settings.model_validate(
            {"api_url": "https://Uptime.example/base", "allowed_hosts": " A.example ,"}
        )
        assert {"uptime.example", "a.example", "localhost"} <= set(allowed_hosts(settings))


class TestHeaders:
    @pytest.mark.parametrize("path", ["/livez", "/version", "/nowhere", "/docs", "/openapi.json"])
    def test_every_answer_has_the_security_headers(self, service: TestClient, path: str) -> None:
        headers = service.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert headers["cache-control"]
        assert headers["x-request-id"]

    def test_cors_allows_only_configured_origins(self, service: TestClient) -> None:
        def preflight(origin: str) -> httpx2.Response:
            wish = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            answer: httpx2.Response = service.options("/version", headers=wish)
            return answer

        assert (
            preflight("https://board.example").headers["access-control-allow-origin"]
            == "https://board.example"
        )
        assert "access-control-allow-origin" not in preflight("https://evil.example").headers


class TestErrors:
    def test_an_error_has_the_request_id(self, service: TestClient) -> None:
        answer = service.get("/nowhere", headers={"X-Request-Id": "mine-1"})
        assert answer.status_code == 404
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine-1"
        assert answer.json()["type"] == "urn:uptill:error:not_found"

    def test_an_unsupported_method_answers_405(self, service: TestClient) -> None:
        answer = service.put("/version")
        assert answer.status_code == 405
        assert answer.json()["type"] == "urn:uptill:error:method_not_allowed"
        assert answer.headers["allow"] == "GET"

    @pytest.mark.parametrize(
        ("method", "path", "sent", "status", "words"),
        [
            ("POST", "/v1/reports", {"data": {"policy": "strict"}}, 415, "Content-Type: application/json"),
            ("POST", "/v1/reports", {"content": "{}"}, 415, "Content-Type: application/json"),
            (
                "POST",
                "/v1/reports",
                {"content": '{"policy"', "headers": _JSON},
                422,
                "invalid JSON: Expecting ':'",
            ),
            ("POST", "/v1/reports", {"json": []}, 422, "body: must be a JSON object, not a list"),
            ("POST", "/v1/reports", {"json": {"force": 7}}, 422, "body.force: must be true or false, not 7"),
            ("POST", "/v1/reports", {"json": {"windows": "P1D"}}, 422, "windows is not a list of texts"),
            ("POST", "/v1/keys", {"json": {}}, 422, "body.name: is missing"),
            ("GET", "/v1/reports", {"params": {"limit": 0}}, 422, "query.limit: must be at least 1, not "),
            ("GET", "/v1/reports", {"params": {"limit": "x"}}, 422, 'must be a whole number, not "x"'),
            ("POST", "/v1/reports", {"json": {"polcy": "x"}}, 422, "body.polcy: unknown field"),
            ("GET", "/v1/reports", {"params": {"x": 1}}, 422, "query.x: unknown parameter"),
            (
                "GET",
                "/v1/reports",
                {"params": {"created_after": 1}},
                422,
                'created_after: must be a time with its offset, such as 2024-10-14T18:00:00Z, not "1"',
            ),
            (
                "POST",
                "/v1/facts",
                {"json": {"first_day": 0, "last_day": "2024-10-01T00:00:00"}},
                422,
                "body.first_day: must be a date such as 2026-10-31, not 0; body.last_day: must be a date",
            ),
            (
                "PUT",
                "/v1/service-levels/x",
                {"json": {"target": 0.9999999}},
                422,
                "0.9999999 has more than six decimals: round it to six",
            ),
            ("POST", "/v1/reports", {"json": {"windows": ["P1M"]}}, 422, "such as PT6H or P30D"),
            ("POST", "/v1/reports", {"json": {"as_of": "soon"}}, 422, "such as 2024-10-14T18:00:00Z"),
            (
                "POST",
                "/v1/reports",
                {"json": {"policy": "x"}},
                422,
                "unknown policy 'x': use one of classic, strict",
            ),
            ("GET", "/v1/report", {}, 404, "see /docs for all paths"),
            ("DELETE", "/v1/reports", {}, 405, "does not support DELETE: use "),
        ],
    )
    def test_an_error_says_what_to_change(
        self, api: TestClient, method: str, path: str, sent: dict[str, Any], status: int, words: str
    ) -> None:
        answer = api.request(method, path, **sent)
        assert answer.status_code == status
        assert words in answer.json()["detail"]

    def test_every_problem_has_its_own_code(self) -> None:
        codes = [problem.code for problem in REGISTRY]
        assert len(codes) == len(set(codes))


class TestBodies:
    def test_a_body_above_the_limit_is_not_read(self, api: TestClient, settings: Settings) -> None:
        answer = api.post("/v1/reports", content=b" " * (settings.max_body_bytes + 1), headers=_JSON)
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:uptill:error:body_too_large"

    def test_the_received_length_counts_not_the_announced_one(
        self, api: TestClient, settings: Settings
    ) -> None:
        blocks = (b" " * 65_536 for _ in range(settings.max_body_bytes // 65_536 + 1))
        answer = api.post("/v1/reports", content=blocks, headers=_JSON)
        assert answer.status_code == 413

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_deep_nesting_is_refused(self, service: TestClient, opening: str) -> None:
        for path in ("/v1/reports", "/v1/observations"):
            answer = service.post(path, content=opening * 100_000, headers=_JSON)
            if answer.status_code != 404:  # the other service's
                assert answer.status_code == 400
                assert answer.json()["type"] == "urn:uptill:error:too_deep"
                assert answer.json()["request_id"] == answer.headers["x-request-id"]
                break
        else:
            pytest.fail("no path takes a body")

    def test_page_size_is_limited(self, service: TestClient) -> None:
        reads = {
            path: operations.get("get", {}).get("parameters", ())
            for path, operations in service.get("/openapi.json").json()["paths"].items()
        }
        paged = {
            path: {given["name"]: str(new_id()) for given in parameters if given.get("required")}
            for path, parameters in reads.items()
            if any(given["name"] == "limit" for given in parameters)
        }
        assert paged
        # They refuse a fleet without polls.
        for path in ("/v1/outages", "/v1/series"):
            paged.pop(path, None)
        for path, required in paged.items():
            url, allowed = re.sub(r"\{\w+\}", str(new_id()), path), 404 if "{" in path else 200
            query = {name: value for name, value in required.items() if f"{{{name}}}" not in path}
            statuses = [
                service.get(url, params={"limit": limit, **query}).status_code for limit in (0, 1, 200, 1001)
            ]
            assert statuses == [422, allowed, allowed, 422], path

    def test_an_error_lists_a_limited_number_of_faults(self, api: TestClient) -> None:
        answer = api.post("/v1/reports", json={f"field{number}": 1 for number in range(1000)})
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 20


class TestTime:
    @pytest.mark.timeout(120)
    def test_waiting_is_capped_by_the_service(self, settings: Settings) -> None:
        impatient = settings.model_copy(update={"max_wait_s": 0.2})
        headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
        with TestClient(create_api(impatient), headers=headers) as api:
            location = api.post("/v1/reports", json={"force": True}).headers["location"]
            answer = api.get(location, params={"wait": 1_000_000})
            assert (answer.status_code, answer.json()["state"]) == (200, "queued")
            assert answer.headers["retry-after"] == "1"
            assert api.get(location, params={"wait": -1}).status_code == 422

    def test_a_slow_statement_is_canceled(self, settings: Settings) -> None:
        impatient = settings.model_copy(update={"statement_timeout_s": 0.2})
        headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
        with (
            TestClient(create_api(impatient), headers=headers, raise_server_exceptions=False) as api,
            psycopg.connect(settings.database_url.get_secret_value()) as other,
        ):
            assert api.get("/v1/reports").status_code == 200
            other.execute("lock table report in access exclusive mode")
            answer = api.get("/v1/reports")
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:uptill:error:timed_out"
            assert answer.headers["retry-after"]
            other.rollback()
            assert api.get("/v1/reports").status_code == 200


class TestBeforeTheApplication:
    """What the server itself refuses, over a real connection."""

    def test_bytes_that_are_not_http_get_a_problem(self, env: dict[str, str], tmp_path: Path) -> None:
        with Services(env, tmp_path) as services:
            services.serve("services.api")
            for request in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40_000):
                status, headers, body = _spoken(env["UPTILL_API_URL"], request)
                assert (status, body["type"]) == (400, "urn:uptill:error:bad_request")
                assert headers["content-type"] == "application/problem+json"
                assert headers["x-content-type-options"] == "nosniff"

    def test_connections_above_the_limit_get_503(self, env: dict[str, str], tmp_path: Path) -> None:
        address = urlsplit(env["UPTILL_API_URL"])
        with Services(env, tmp_path) as services, ExitStack() as stack:
            services.start("services.api", f"--port={address.port}", "--connections=3")
            wait_until(lambda: answers(f"{env['UPTILL_API_URL']}/version"), "the API")
            key = f"Authorization: Bearer {env['UPTILL_API_KEY']}\r\n"
            with services.client() as client:
                report_id = client.create_report(force=True).id
            for _ in range(3):
                connection = socket.create_connection((address.hostname or "", address.port or 0))
                stack.enter_context(connection)
                connection.sendall(_get(f"/v1/reports/{report_id}/events", key))
                assert connection.recv(12) == b"HTTP/1.1 200", "callers with a key who are being answered"
            status, headers, body = _spoken(env["UPTILL_API_URL"], _get("/version"))
            assert (status, body["type"]) == (503, "urn:uptill:error:overloaded")
            assert headers["retry-after"]
            assert _spoken(env["UPTILL_API_URL"], _get("/livez"))[0] == 200
            stack.close()
            wait_until(lambda: answers(f"{env['UPTILL_API_URL']}/version"), "room for another connection")


class TestRoot:
    @pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"])
    def test_a_browser_is_sent_to_the_page_or_the_docs(self, service: TestClient, accept: str) -> None:
        headers = {"Accept": accept, "Authorization": ""}
        answer = service.get("/", headers=headers, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) in ((303, "./sign-in"), (307, "docs"))
        assert re.search('<div id="docs">|<h1>Sign in</h1>', service.get("/", headers=headers).text)

    @pytest.mark.parametrize("accept", ["*/*", "application/json"])
    def test_a_program_gets_a_problem(self, service: TestClient, accept: str) -> None:
        answer = service.get("/", headers={"Accept": accept}, follow_redirects=False)
        assert answer.status_code == 404
        body = answer.json()
        assert body["type"] == "urn:uptill:error:not_found"
        assert body["detail"] == "nothing exists at /: see /docs for all paths"


class TestDocs:
    def test_the_docs_page_loads_no_foreign_files(self, service: TestClient) -> None:
        page = service.get("/docs", headers={"Authorization": ""})
        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(sources) == 4
        assert all(source.startswith(("docs/", "data:")) for source in sources)
        assert "script-src 'self';" in page.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=", page.text)
        for source in sources[1:]:
            assert service.get(f"/{source}").status_code == 200

    @pytest.mark.parametrize("accepted", ["gzip, br", "identity", "gzip;q=0, *"])
    def test_the_docs_files_match_the_published_hashes(self, service: TestClient, accepted: str) -> None:
        for name, digest in SWAGGER.items():
            answer = service.get(f"/docs/{name}", headers={"Accept-Encoding": accepted})
            assert hashlib.sha256(answer.content).hexdigest() == digest
            assert ("content-encoding" in answer.headers) is accepted.startswith("gzip, ")
            assert "Accept-Encoding" in answer.headers["vary"]

    def test_other_files_of_the_folder_are_not_served(self, service: TestClient) -> None:
        for name in ("swagger-ui-bundle.js.gz", "LICENSE", "README.md"):
            assert service.get(f"/docs/{name}").status_code == 404
        assert service.get("/docs/..%2f__init__.py").status_code == 404

    def test_the_docs_page_loads_openapi_by_a_relative_url(self, service: TestClient) -> None:
        assert '"openapi.json"' in service.get("/docs/start.js").text
        assert json.loads(service.get("/openapi.json").text)["openapi"].startswith("3.1")

    def test_version_names_the_service(self, service: TestClient) -> None:
        body = service.get("/version").json()
        assert body["service"] in ("api", "ingest")
        assert body["version"]


def _get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def _spoken(url: str, request: bytes) -> tuple[int, http.client.HTTPMessage, Any]:
    """Send raw bytes; return the answer's status, headers and JSON."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers, json.loads(answer.read())

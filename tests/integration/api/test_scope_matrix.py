"""Every route of both services: without a key, with each wrong scope, for foreign stores, with malformed ids (promise 19)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.ingest.http.main import create_app as create_ingest_app
from shared.errors import InvalidRequest
from shared.ids import new_id
from shared.keys import SCOPES, create_key
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.reference import applications

NO_IDS = ("nonsense", "%00", "..%2f..%2fetc", "0" * 500, "%F0%9F%92%A3", "' or 1=1 --")
DOCUMENTS: dict[str, Any] = {name: app.openapi() for name, app in applications().items()}
PUBLIC = {"/livez", "/readyz", "/version", "/v1/hooks/{hook}"}  # a call of a hook is signed


@dataclass(frozen=True)
class Operation:
    """One method of one path, of the service with this document."""

    document: str
    method: str
    path: str

    @property
    def described(self) -> Any:
        return DOCUMENTS[self.document]["paths"][self.path][self.method]

    @property
    def scopes(self) -> list[str]:
        """Each of these scopes is enough. None if the operation is public."""
        return [scope for one in self.described.get("security", ()) for scope in one["ApiKey"]]

    @property
    def scope(self) -> str | None:
        return next(iter(self.scopes), None)

    def with_ids(self, value: str) -> str:
        """Return the path with this value for each id; a file's name is not an id."""
        path = self.path.replace("{name}", "report.csv")
        for parameter in (
            *(
                "report_id",
                "import_id",
                "store_id",
                "prefix",
                "endpoint_id",
                "delivery_id",
                "schedule_id",
                "closure_id",
                "calendar",
                "facts_id",
                "level",
                "rule",
                "incident_id",
                "channel",
                "export_id",
                "run_id",
                "word",
                "hook",
            ),
        ):
            path = path.replace(f"{{{parameter}}}", value)
        assert "{" not in path, "a parameter that this test does not know"
        return path


OPERATIONS = [
    Operation(document, method, path)
    for document, described in DOCUMENTS.items()
    for path, operations in described["paths"].items()
    for method in operations
]
BODIES: dict[str, Any] = {
    "/v1/facts": {"first_day": "2024-10-01", "last_day": "2024-10-31"},
    "/v1/service-levels/{level}": {"target": 0.97},
    "/v1/channels/{channel}": {"kind": "email", "to": ["ops@example.com"]},
    "/v1/alert-rules/{rule}": {"kind": "store_down"},
    "/v1/incidents/{incident_id}": {"note": "x"},
    "/v1/keys": {"name": "x"},
    "/v1/hooks/{hook}/dry-run": {"sample": 1},
    "/v1/webhook-endpoints": {"url": "https://receiver.test"},
    "/v1/report-schedules": {"name": "x", "cron": "0 6 * * *", "timezone": "UTC"},
}


@pytest.fixture
def clients(env: dict[str, str], tmp_path: Path) -> Iterator[dict[str, TestClient]]:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    settings = Settings.model_validate({**values, "spool_dir": str(tmp_path / "spool")})
    with (
        TestClient(create_app(settings), raise_server_exceptions=False) as api,
        TestClient(create_ingest_app(settings), raise_server_exceptions=False) as ingest,
    ):
        yield {"openapi.json": api, "openapi-ingest.json": ingest}


def call(
    clients: dict[str, TestClient],
    operation: Operation,
    path: str,
    key: str | None,
    more: Mapping[str, Any] | None = None,
) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"json": BODIES.get(operation.path, {})} if "requestBody" in operation.described else {}
    params = {"report_id": path.rpartition("/")[2]} if operation.path == "/get_report" else {}
    if (operation.method, operation.path) == ("delete", "/v1/stores/{store_id}/hours"):
        params = {"effective_from": "2025-03-01"}
    return clients[operation.document].request(
        operation.method,
        path,
        headers=headers,
        params={**params, **(more or {})},
        follow_redirects=False,
        **body,
    )


def test_only_operations_are_public() -> None:
    assert {operation.path for operation in OPERATIONS if operation.scope is None} <= PUBLIC
    assert {operation.scope for operation in OPERATIONS} - {None} == set(SCOPES)


def test_no_key_and_every_wrong_scope(clients: dict[str, TestClient], database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        with_all_but = {
            wanted: create_key(
                conn, name="x", scopes=[scope for scope in SCOPES if scope not in {*wanted, "admin"}]
            )
            for wanted in {tuple(operation.scopes) for operation in OPERATIONS}
        }
    for operation in OPERATIONS:
        if operation.scope is None:
            continue
        path = operation.with_ids(str(new_id()))
        for key, status, code in (
            (None, 401, "unauthenticated"),
            (f"upt_abcdefgh_{'x' * 43}", 401, "unauthenticated"),
            (with_all_but[tuple(operation.scopes)], 403, "forbidden"),
        ):
            answer = call(clients, operation, path, key)
            assert (answer.status_code, answer.json()["type"]) == (status, f"urn:uptill:error:{code}"), (
                operation,
                answer.text,
            )


def test_a_parameter_that_a_call_does_not_have_is_refused_by_name(
    clients: dict[str, TestClient], env: dict[str, str]
) -> None:
    for operation in OPERATIONS:
        if operation.scope is None:
            continue
        path = operation.with_ids(str(new_id()))
        answer = call(clients, operation, path, env["UPTILL_API_KEY"], {"lable": "x"})
        body = answer.json()
        assert (answer.status_code, body.get("field")) == (422, "query.lable"), (operation, answer.text)
        assert body["errors"][0]["field"] == "query.lable"
        assert "query.lable: unknown parameter" in body["detail"]
        # Without a key, the caller learns nothing of the parameters.
        assert call(clients, operation, path, None, {"lable": "x"}).status_code == 401


def test_a_parameter_with_one_value_is_refused_if_it_is_repeated(
    clients: dict[str, TestClient], env: dict[str, str]
) -> None:
    refused = []
    for operation in OPERATIONS:
        given = [each for each in operation.described.get("parameters", ()) if each["in"] == "query"]
        for name in [each["name"] for each in given if not _is_list(each["schema"])]:
            path = operation.with_ids(str(new_id()))
            answer = call(clients, operation, path, env["UPTILL_API_KEY"], {name: ["x", "y"]})
            assert answer.status_code == 422, (operation, name, answer.text)
            assert answer.json()["detail"].startswith(f"query.{name}: was given more than once"), answer.text
            refused.append((operation.path, name))
    assert ("/v1/series", "window") in refused
    assert ("/v1/now", "state") not in refused


def _is_list(schema: Any) -> bool:
    return any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))


def test_malformed_ids_name_nothing(clients: dict[str, TestClient], env: dict[str, str]) -> None:
    for operation in OPERATIONS:
        if "{" not in operation.path or operation.method == "put":
            continue
        for value in NO_IDS:
            answer = call(clients, operation, operation.with_ids(value), env["UPTILL_API_KEY"])
            # A store's id may be any text but this one; a report's id comes first.
            is_odd = value == "%00" and "{store_id}" in operation.path and "{report_id}" not in operation.path
            expected = 422 if is_odd else 404
            assert answer.status_code == expected, (operation, value, answer.text)


def test_the_alias_takes_no_other_ids(clients: dict[str, TestClient], env: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
    for value in map(unquote, (*NO_IDS, "")):
        answer = clients["openapi.json"].get("/get_report", params={"report_id": value}, headers=headers)
        expected = 422 if "\x00" in value else 404  # no query may hold it
        assert answer.status_code == expected, (value, answer.text)
    assert clients["openapi.json"].get("/get_report", headers=headers).status_code == 422


def test_a_store_is_made_by_naming_it_but_not_by_every_name(
    clients: dict[str, TestClient], env: dict[str, str]
) -> None:
    bodies: dict[str, Any] = {
        "hours": {"hours": []},
        "timezone": {"timezone": "UTC"},
        "labels": {"labels": {}},
        "name": {"name": "x"},
        "special-hours": {"dates": []},
        "lifetime": {},
    }
    tried = 0
    for operation in OPERATIONS:
        if operation.method != "put" or "{store_id}" not in operation.path:
            continue
        for value in ("%00", "a%09b", "%20", "0" * 1025):
            tried += 1
            answer = clients[operation.document].put(
                operation.with_ids(value),
                headers={"Authorization": f"Bearer {env['UPTILL_API_KEY']}"},
                json=bodies[operation.path.rpartition("/")[2]],
            )
            assert answer.status_code == 422, (operation, value, answer.text)
            assert answer.json()["field"] == "path.store_id"
    assert tried == 4 * len(bodies)


def test_only_administrators_reach_what_belongs_to_no_store(
    clients: dict[str, TestClient], database_url: str
) -> None:
    """A limited key has only the scopes of reports, so every other call answers 403."""
    with psycopg.connect(database_url) as conn:
        with pytest.raises(InvalidRequest):
            create_key(conn, name="x", scopes=["ingest:write"], store_labels={"owner": "anna"})
        with pytest.raises(InvalidRequest):
            create_key(conn, name="x", scopes=["admin"], store_labels={"owner": "anna"})
        owner = create_key(
            conn, name="owner", scopes=["reports:read", "reports:write"], store_labels={"owner": "anna"}
        )
    others = [one for one in OPERATIONS if one.scope not in {None, "reports:read", "reports:write"}]
    assert others
    for operation in others:
        answer = call(clients, operation, operation.with_ids(str(new_id())), owner)
        assert answer.status_code == 403, (operation, answer.text)


def test_other_owners_resources_answer_404(
    clients: dict[str, TestClient], env: dict[str, str], database_url: str
) -> None:
    load_fleet(database_url, {"foreign": Store(polls=[(datetime(2024, 10, 14, 18, tzinfo=UTC), True)])})
    with psycopg.connect(database_url) as conn:
        owner = create_key(
            conn, name="owner", scopes=["reports:read", "reports:write"], store_labels={"owner": "anna"}
        )
    api = clients["openapi.json"]
    everyones = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
    report = api.post("/v1/reports", headers=everyones).json()
    schedules = "/v1/report-schedules"
    schedule = api.post(schedules, headers=everyones, json=BODIES[schedules]).json()
    tried = 0
    for operation in OPERATIONS:
        if operation.scope not in {"reports:read", "reports:write"}:
            continue
        if "{report_id}" in operation.path or operation.path == "/get_report":
            path = operation.with_ids(report["id"])
            parameter = {"/get_report": "report_id", "/v1/reports/{report_id}/diff": "against"}
            params = {parameter[operation.path]: report["id"]} if operation.path in parameter else {}
        elif "{store_id}" in operation.path:
            path, params = operation.with_ids("foreign"), {}
        elif "{schedule_id}" in operation.path:
            path, params = operation.with_ids(schedule["id"]), {}
        else:
            continue
        tried += 1
        body: Any = {"json": {}} if "requestBody" in operation.described else {}
        answer = api.request(
            operation.method, path, params=params, headers={"Authorization": f"Bearer {owner}"}, **body
        )
        assert answer.status_code == 404, (operation, answer.text)
    assert tried >= 13

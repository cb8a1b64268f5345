"""Malformed requests: no cursor, body or instant makes a service answer with a 5xx."""

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from services.api.main import create_app as create_api
from services.ingest.http.main import create_app as create_ingest
from shared.http.cursors import id_cursor, text_cursor
from shared.ids import new_id
from shared.settings import Settings

_JSON = {"Content-Type": "application/json"}
_LATE = [
    "2101-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999-12:00",
    "9999-12-31T00:00:00+14:00",
]

_BODIES = [
    ("POST", "/v1/reports", '{"policy": "%s"}'),
    ("POST", "/v1/reports", '{"%s": 1}'),
    ("POST", "/v1/reports", '{"stores": {"ids": ["%s"]}}'),
    ("POST", "/v1/reports", '{"stores": {"labels": {"%s": "a"}}}'),
    ("POST", "/v1/reports", '{"windows": ["%s"]}'),
    ("POST", "/v1/reports", '{"webhook_url": "https://%s"}'),
    ("POST", "/v1/reports", '["%s"]'),
    ("POST", "/v1/keys", '{"name": "%s"}'),
    ("POST", "/v1/keys", '{"name": "a", "scopes": ["%s"]}'),
    ("POST", "/v1/keys", '{"name": "a", "store_labels": {"a": "%s"}}'),
    ("POST", "/v1/keys/abcdefgh/rotate", '{"%s": 1}'),
    ("POST", "/v1/report-schedules", '{"name": "%s", "cron": "0 6 * * *", "timezone": "UTC"}'),
    ("POST", "/v1/report-schedules", '{"name": "a", "cron": "%s", "timezone": "UTC"}'),
    ("POST", "/v1/report-schedules", '{"name": "a", "cron": "0 6 * * *", "timezone": "%s"}'),
    (
        "POST",
        "/v1/report-schedules",
        '{"name": "a", "cron": "0 6 * * *", "timezone": "UTC", "deliver": {"s3_prefix": "%s"}}',
    ),
    ("POST", "/v1/webhook-endpoints", '{"url": "https://a.example", "description": "%s"}'),
    (
        "POST",
        "/v1/observations",
        '{"observations": [{"store_id": "%s", "status": "", "observed_at": ""}]}',
    ),
    ("PUT", "/v1/stores/a/timezone", '{"timezone": "%s"}'),
    ("PUT", "/v1/stores/a/labels", '{"labels": {"a": "%s"}}'),
    ("PUT", "/v1/stores/a/labels", '{"labels": {"%s": "a"}}'),
    (
        "PUT",
        "/v1/stores/a/hours",
        '{"hours": [{"day_of_week": 0, "start_time_local": "%s", "end_time_local": ""}]}',
    ),
]
_UNSEEN = ["\u202e", "\u200b", "\ufeff", "\u0085", "\u2028", "\x7f", "\U000e0041"]
_NO_OVERLAPS = ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 400, '"x"', "-1"]
_NO_INSTANTS = [*_LATE, "0001-01-01T00:00:00+14:00", "1e400", "nan", "infinity", "9" * 30]


@pytest.fixture
def settings(env: dict[str, str], tmp_path: Path) -> Settings:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    return Settings.model_validate({**values, "spool_dir": str(tmp_path)})


@pytest.fixture
def services(settings: Settings) -> Iterator[Mapping[str, TestClient]]:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with (
        TestClient(create_api(settings), headers=headers, raise_server_exceptions=False) as api,
        TestClient(create_ingest(settings), headers=headers, raise_server_exceptions=False) as ingest,
    ):
        yield {"api": api, "ingest": ingest}


@pytest.fixture
def api(services: Mapping[str, TestClient]) -> TestClient:
    return services["api"]


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
)
CURSORS = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40).map(encoded),
    JSONS.map(lambda value: encoded(json.dumps(value).encode())),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        [
            *(
                encoded(text)
                for text in (b"\x00", b"a\x00b", b"\xed\xa0\x80", b"\xff", b"NaN", b"1e999", b"")
            ),
            *(
                id_cursor(new_id()),
                text_cursor("42"),
                text_cursor("\u202e"),
                "=",
                "\x00",
                "null",
                "9" * 19,
                "9" * 400,
            ),
            *(str(2**63 - 1), str(2**63), "-1", "\u0661\u0662", "\u00b2"),
        ]
    ),
)


class TestCursors:
    @with_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cursor=CURSORS)
    def test_any_cursor_gets_a_page_or_a_refusal(
        self, services: Mapping[str, TestClient], cursor: str
    ) -> None:
        for service, path in _lists(services):
            answer = services[service].get(path, params={"cursor": cursor})
            assert answer.status_code in (200, 404, 422), (path, cursor, answer.text)

    def test_a_cursor_of_another_list_never_causes_an_error(self, services: Mapping[str, TestClient]) -> None:
        assert len(list(_lists(services))) >= 5

    def test_a_refused_cursor_names_the_fix(self, api: TestClient) -> None:
        for cursor in ["AAE=", "7aCA", "x", "9223372036854775808"]:
            answer = api.get("/v1/audit" if cursor.isdigit() else "/v1/stores", params={"cursor": cursor})
            assert answer.status_code == 422
            assert (
                answer.json()["detail"]
                == 'invalid cursor: pass the "next" value of the previous page unchanged'
            )


class TestTexts:
    def test_unstorable_text_is_refused_in_any_place(self, services: Mapping[str, TestClient]) -> None:
        for text in [r"\ud800", r"\udfff\ud800", r"\u0000", "\\u0000x"]:
            for method, path, body in _BODIES:
                is_ingest = "observations" in path or method == "PUT"
                service = services["ingest" if is_ingest else "api"]
                answer = service.request(method, path, content=body % text, headers=_JSON)
                assert answer.status_code == 422, answer.text

    def test_raw_bytes_of_a_surrogate_too(self, services: Mapping[str, TestClient]) -> None:
        for service, path in (("api", "/v1/reports"), ("ingest", "/v1/observations")):
            answer = services[service].post(path, content=b'{"a": "\xed\xa0\x80"}', headers=_JSON)
            assert answer.status_code == 422, answer.text

    def test_in_a_path_or_a_query(self, services: Mapping[str, TestClient]) -> None:
        for text in ["%00", "a%00b", "%ED%A0%80", "%C0%80", "%FF", "a%2F%00"]:
            for path in (
                f"/v1/stores/{text}",
                f"/v1/stores/{text}/timeline",
                f"/v1/reports/{text}",
                f"/{text}",
            ):
                is_utf8 = text in ("%00", "a%00b", "a%2F%00")
                expected = 400 if not is_utf8 else 422 if "/stores/" in path else 404
                assert services["api"].get(path).status_code == expected, path
            for query in (
                "reports?cursor",
                "stores?label",
                "stores?label=a:",
                "audit?actor",
                "reports?state",
                "audit?action",
                "now?text",
                "series?window=previous_week&store",
                "outages?store",
            ):
                answer = services["api"].get(f"/v1/{query}={text}".replace("a:=", "a:"))
                assert answer.status_code in (200, 422), query
            by_query = services["api"].get(f"/get_report?report_id={text}")
            assert by_query.status_code == (422 if "%00" in text else 404)
            answer = services["ingest"].get(f"/v1/imports/{text}")
            assert answer.status_code == (404 if is_utf8 else 400)
            answer = services["ingest"].post(f"/v1/imports?name={text}", content=b"")
            assert answer.status_code in (202, 422)

    def test_invisible_characters_are_refused_in_names(self, services: Mapping[str, TestClient]) -> None:
        for char in _UNSEEN:
            name = f"a{char}b"
            poll = {"store_id": name, "status": "active", "observed_at": "2024-10-14T18:00:00Z"}
            schedule = {"name": name, "cron": "0 6 * * *", "timezone": "UTC"}
            form = {"files": (name, b"store_id,status,timestamp_utc\n", "text/csv")}
            api, ingest = services["api"], services["ingest"]
            for answer in (
                api.post("/v1/keys", json={"name": name}),
                api.post("/v1/report-schedules", json=schedule),
                ingest.post("/v1/observations", json={"observations": [poll]}),
                ingest.put(f"/v1/stores/{quote(name)}/timezone", json={"timezone": "UTC"}),
                ingest.put("/v1/stores/a/labels", json={"labels": {"a": name}}),
                ingest.post("/v1/imports", params={"name": name}, content=b"x"),
                ingest.post("/v1/imports", files=form),
            ):
                assert answer.status_code == 422, answer.text


class TestInstants:
    def test_no_key_expires_after_2100_and_the_list_goes_on(self, api: TestClient) -> None:
        for late in _LATE:
            answer = api.post("/v1/keys", json={"name": "late", "expires_at": late})
            assert (answer.status_code, answer.json()["field"]) == (422, "body.expires_at")
            assert api.get("/v1/keys").status_code == 200

    def test_what_an_earlier_release_stored_is_listed_taken_and_rotated(
        self, api: TestClient, settings: Settings
    ) -> None:
        last = "2100-12-31T23:59:59Z"
        made = api.post("/v1/keys", json={"name": "old", "expires_at": "2100-12-31T23:59:59Z"}).json()
        for stored in ("294000-01-01", "infinity", "9999-12-31 23:59:59.999999+00"):
            with psycopg.connect(settings.database_url.get_secret_value()) as conn:
                conn.execute("update api_key set expires_at = %s where prefix = %s", [stored, made["prefix"]])
            keys = api.get("/v1/keys")
            assert keys.status_code == 200, stored
            shown = {key["prefix"]: key["expires_at"] for key in keys.json()["keys"]}
            assert shown[made["prefix"]] == last
            api.app.state.keys.forget(made["prefix"])  # type: ignore[attr-defined]
            answer = api.get("/v1/reports", headers={"Authorization": f"Bearer {made['key']}"})
            assert answer.status_code == 200, stored
        rotated = api.post(f"/v1/keys/{made['prefix']}/rotate", json={"overlap_s": 60})
        assert rotated.status_code == 201
        shown = {key["prefix"]: key["expires_at"] for key in api.get("/v1/keys").json()["keys"]}
        assert shown[rotated.json()["prefix"]] == last
        assert datetime.fromisoformat(shown[made["prefix"]]).year == datetime.now(UTC).year

    def test_an_overlap_is_a_number_of_seconds(self, api: TestClient) -> None:
        for odd in _NO_OVERLAPS:
            answer = api.post("/v1/keys/abcdefgh/rotate", content=f'{{"overlap_s": {odd}}}', headers=_JSON)
            assert answer.status_code == 422

    def test_a_wait_is_a_number_of_seconds(self, api: TestClient) -> None:
        for odd in ["nan", "inf", "-inf", "-1", "1e400", "x", "9" * 5000]:
            assert api.get(f"/v1/reports/{new_id()}", params={"wait": odd}).status_code == 422

    def test_an_instant_is_one_of_a_hundred_years(self, services: Mapping[str, TestClient]) -> None:
        for odd in _NO_INSTANTS:
            api = services["api"]
            for name in ("created_after", "created_before"):
                assert api.get("/v1/reports", params={name: odd}).status_code == 422
            for name in ("from", "to", "as_of"):
                assert api.get("/v1/stores/a/timeline", params={name: odd}).status_code == 422
            assert api.post("/v1/reports", json={"as_of": odd}).status_code == 422
            poll = {"store_id": "a", "status": "active", "observed_at": odd}
            answer = services["ingest"].post("/v1/observations", json={"observations": [poll]})
            assert answer.status_code == 422

    def test_at_the_borders_of_these_years_nothing_overflows(self, api: TestClient) -> None:
        for odd in ["2000-01-01T00:00:00+14:00", "2100-12-31T23:59:59-12:00"]:
            for name in ("created_after", "created_before"):
                assert api.get("/v1/reports", params={name: odd}).status_code == 200
            body = {"as_of": odd, "windows": ["P366D", "previous_month"]}
            assert api.post("/v1/reports", json=body).status_code in (202, 422)
            for name in ("from", "to", "as_of"):
                assert api.get("/v1/stores/a/timeline", params={name: odd}).status_code in (404, 422)

    def test_a_limit_is_a_small_number(self, services: Mapping[str, TestClient]) -> None:
        for limit in [str(2**63), "9" * 5000, "1e2", "nan", "-1", "\u0661"]:
            for service, path in _lists(services):
                assert services[service].get(path, params={"limit": limit}).status_code == 422, path

    @pytest.mark.parametrize("odd", ["1e400", "-1e400", "120.10", "12e1"])
    def test_numbers_are_shown_as_they_were_sent(self, services: Mapping[str, TestClient], odd: str) -> None:
        bodies = {
            "/v1/observations": '{"observations": [{"store_id": %s, "status": "active", "observed_at": ""}]}',
            "/v1/service-levels/a": '{"target": %s}',
            "/v1/alert-rules/a": '{"kind": "store_down", "parameters": {"inactive_polls": %s}}',
            "/v1/reconciliations": '{"figures": [{"store_id": "a", "date": "2024-10-14", "uptime_percent": %s}]}',
        }
        for path, body in bodies.items():
            call = services["ingest" if "observations" in path else "api"].request
            answer = call("PUT" if path.endswith("/a") else "POST", path, content=body % odd, headers=_JSON)
            assert answer.status_code == 422
            assert odd in answer.json()["detail"], path

    def test_numbers_in_bodies(self, services: Mapping[str, TestClient]) -> None:
        for odd in (str(2**63), "9" * 5000, "1e400", "NaN"):
            hours = f'{{"hours": [{{"day_of_week": {odd}, "start_time_local": "1:00", "end_time_local": "2:00"}}]}}'
            answer = services["ingest"].put("/v1/stores/a/hours", content=hours, headers=_JSON)
            assert answer.status_code == 422
            answer = services["api"].post("/v1/reports", content=f'{{"detail": {odd}}}', headers=_JSON)
            assert answer.status_code in (400, 422)
        assert math.isinf(json.loads("1e400")), "what Python takes for a number"


def _lists(services: Mapping[str, TestClient]) -> Iterator[tuple[str, str]]:
    """Each call of both services that gives pages."""
    for name, service in services.items():
        for path, operations in service.app.openapi()["paths"].items():  # type: ignore[attr-defined]
            given = {each["name"] for each in operations.get("get", {}).get("parameters", ())}
            if "limit" in given:
                yield name, re.sub(r"\{\w+\}", str(new_id()), path)

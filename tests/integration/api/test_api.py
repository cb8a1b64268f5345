"""The HTTP contract over real Postgres, Redis and S3; the batches are computed in this process."""

import csv
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api.changes import ReportChanges
from services.api.main import create_app
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.ids import new_id
from shared.keys import create_key, list_keys, revoke_key
from shared.reports.due import bury_poison
from shared.reports.retention import expire_reports
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.fixtures.services import wait_until

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
FLEET = {
    "three-polls": Store(
        timezone="America/Chicago",
        hours=[(0, 10 * 3600, 22 * 3600)],
        polls=[
            (NOW - timedelta(minutes=150), True),
            (NOW - timedelta(minutes=90), False),
            (NOW - timedelta(minutes=30), True),
        ],
    ),
    '=cmd|"x"': Store(polls=[(NOW, True)]),
    "0042": Store(polls=[(NOW - timedelta(days=3), False)]),
}
HEADER = "store_id,uptime_last_hour,uptime_last_day,uptime_last_week,downtime_last_hour,downtime_last_day,downtime_last_week"


def test_a_report_from_trigger_to_link(api: TestClient, worker: WorkerContext, env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    created = api.post("/v1/reports", json={"as_of": "2024-10-14T18:00:00Z"})
    body = created.json()
    assert created.status_code == 202
    assert created.headers["location"] == f"/v1/reports/{body['id']}"
    assert body["state"] == "queued"
    assert body["progress"] == {"stores_done": 0, "stores_total": 3}
    assert (body["policy"], body["policy_version"], body["as_of"]) == ("classic", 2, "2024-10-14T18:00:00Z")
    problem(api.get(f"/v1/reports/{body['id']}/files/report.csv"), 409, "file_not_ready")

    work(worker, body["id"])
    done = api.get(f"/v1/reports/{body['id']}", params={"wait": 5}).json()
    assert done["state"] == "succeeded"
    assert done["progress"] == {"stores_done": 3, "stores_total": 3}
    assert done["tzdata_version"]
    (file,) = done["files"]
    answer = httpx2.get(file["url"])
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="report.csv"'
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    assert (len(answer.content), file["rows"]) == (file["size_bytes"], 3)
    # The worked case of the accounting; ids in byte order, none of them a formula.
    assert answer.text.splitlines() == [
        HEADER,
        "0042,0.0000,0.0000,0.0000,0.0000,0.0000,48.0000",
        '"\'=cmd|""x""",60.0000,24.0000,24.0000,0.0000,0.0000,0.0000',
        "three-polls,60.0000,2.0000,2.0000,0.0000,1.0000,1.0000",
    ]
    redirect = api.get(f"/v1/reports/{body['id']}/files/report.csv", follow_redirects=False)
    assert redirect.status_code == 302
    assert httpx2.get(redirect.headers["location"]).content == answer.content
    problem(api.get(f"/v1/reports/{body['id']}/files/other.csv"), 404, "file_not_found")


def test_detail_adds_columns(api: TestClient, worker: WorkerContext, env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], {"three-polls": FLEET["three-polls"]})
    report = api.post(
        "/v1/reports", json={"as_of": "2024-10-14T18:00:00Z", "detail": True, "policy": "hold"}
    ).json()
    work(worker, report["id"])
    (file,) = api.get(f"/v1/reports/{report['id']}").json()["files"]
    (row,) = csv.DictReader(io.StringIO(httpx2.get(file["url"]).text))
    assert row["uptime_last_hour"] == row["downtime_last_hour"] == "30.0000"
    assert (row["uptime_min_last_week"], row["uptime_max_last_week"]) == ("0.0000", "12.0000")
    assert (row["polls_last_day"], row["timezone"]) == ("3", "America/Chicago")
    assert {name.rsplit("_last_", 1)[0] for name in row} == {
        "store_id", "uptime", "downtime", "unknown", "uptime_min", "uptime_max", "excluded", "polls", "outages",
        "longest_outage", "mttr", "mtbf", "timezone", "name",
    }  # fmt: skip
    assert [row[f"{name}_last_day"] for name in ("outages", "longest_outage", "mttr", "mtbf")] == [
        "1", "1.0000", "1.0000", "2.0000"
    ]  # fmt: skip


def test_an_empty_database_gives_an_empty_report(api: TestClient, worker: WorkerContext) -> None:
    report = api.post("/v1/reports").json()
    work(worker, report["id"])
    (file,) = api.get(f"/v1/reports/{report['id']}").json()["files"]
    assert (file["rows"], httpx2.get(file["url"]).text) == (0, HEADER + "\n")


def test_the_two_call_contract(api: TestClient, worker: WorkerContext, env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    triggered = api.post("/trigger_report")
    assert triggered.status_code == 200
    assert list(triggered.json()) == ["report_id"]
    asked = {"report_id": triggered.json()["report_id"]}
    assert api.get("/get_report", params=asked).json() == {"status": "Running"}
    work(worker, asked["report_id"])
    complete = api.get("/get_report", params=asked).json()
    assert (list(complete), complete["status"]) == (["status", "download_url"], "Complete")
    text = httpx2.get(complete["download_url"]).text
    assert text.startswith(HEADER)
    redirect = api.get("/get_report", params=asked, headers={"Accept": "text/csv"}, follow_redirects=False)
    assert redirect.status_code == 302
    assert httpx2.get(redirect.headers["location"]).text == text
    assert api.get("/trigger_report").json() == asked, "the same question about the same data"


def test_events_show_progress_until_the_end(
    api: TestClient, worker: WorkerContext, env: dict[str, str]
) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    report_id = api.post("/v1/reports").json()["id"]
    states: list[tuple[str, int]] = []
    with ThreadPoolExecutor(1) as threads:
        events = threads.submit(lambda: api.get(f"/v1/reports/{report_id}/events"))
        changes: ReportChanges = cast(FastAPI, api.app).state.context.changes
        wait_until(lambda: report_id in changes._waiters, "the stream, before the work begins")
        work(worker, report_id)
        answer = events.result(60)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    for block in answer.text.strip().split("\n\n"):
        name, data = (line.partition(": ")[2] for line in block.splitlines())
        states.append((name, json.loads(data)["progress"]["stores_done"]))
    assert states[0] == ("queued", 0)
    assert states[-1] == ("succeeded", 3)
    assert len(set(states)) == len(states), "an event is a change"
    problem(api.get(f"/v1/reports/{new_id()}/events"), 404, "report_not_found")


class TestSameQuestion:
    def test_one_report_is_shared_until_the_data_changes_or_force_is_set(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
        first = api.post("/v1/reports").json()
        assert api.post("/v1/reports", json={"as_of": "latest"}).json()["id"] == first["id"]
        work(worker, first["id"])
        assert api.post("/v1/reports").json()["state"] == "succeeded"
        others = [{"force": True}, {"policy": "strict"}, {"detail": True}, {"as_of": "2024-10-14T18:00:01Z"}]
        different = [api.post("/v1/reports", json=body).json()["id"] for body in others]
        load_fleet(env["UPTILL_DATABASE_URL"], {"another": Store(polls=[(NOW - timedelta(hours=1), True)])})
        different.append(api.post("/v1/reports").json()["id"])
        assert len({first["id"], *different}) == 6

    def test_an_idempotency_key_belongs_to_one_request(self, api: TestClient) -> None:
        headers = {"Idempotency-Key": "nightly-2024-10-14"}
        first = api.post("/v1/reports", json={"force": True}, headers=headers)
        again = api.post("/v1/reports", json={"force": True}, headers=headers)
        assert (first.status_code, again.status_code) == (202, 202)
        assert again.json()["id"] == first.json()["id"]
        problem(api.post("/v1/reports", headers=headers), 422, "idempotency_key_reused")

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/reports",
            "/trigger_report",
            "/v1/report-schedules",
            "/v1/webhook-endpoints",
            "/v1/webhook-secret",
            "/v1/keys",
        ],
    )
    def test_an_idempotency_key_that_names_no_request_is_refused(self, api: TestClient, path: str) -> None:
        for key in ("", " ", "k" * 256):
            problem(api.post(path, json={}, headers={"Idempotency-Key": key}), 400, "bad_header")
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        problem(api.post(path, json={}, headers=twice), 400, "bad_header")

    def test_an_idempotency_key_expires_after_a_day(self, api: TestClient, env: dict[str, str]) -> None:
        headers = {"Idempotency-Key": "k"}
        first = api.post("/v1/reports", json={"force": True}, headers=headers).json()
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            conn.execute("update idempotency set created_at = created_at - interval '24 hours'")
        assert api.post("/v1/reports", json={"force": True}, headers=headers).json()["id"] != first["id"]

    def test_fifty_at_once_with_one_key_make_one_report(self, api: TestClient, env: dict[str, str]) -> None:
        def post(_: int) -> str:
            answer = api.post("/v1/reports", json={"force": True}, headers={"Idempotency-Key": "same"})
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        with ThreadPoolExecutor(50) as threads:
            assert len(set(threads.map(post, range(50)))) == 1
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            assert conn.execute("select count(*) from report").fetchone() == (1,)

    @pytest.mark.parametrize(("as_of", "reports"), [("latest", 1), ("now", 20)])
    def test_twenty_at_once_that_ask_the_same_make_one_report(
        self, as_of: str, reports: int, api: TestClient, env: dict[str, str]
    ) -> None:
        load_fleet(env["UPTILL_DATABASE_URL"], FLEET)

        def post(_: int) -> str:
            answer = api.post("/v1/reports", json={"as_of": as_of})
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        with ThreadPoolExecutor(20) as threads:
            assert len(set(threads.map(post, range(20)))) == reports
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            assert conn.execute("select count(*) from report").fetchone() == (reports,)

    def test_two_callers_can_use_the_same_idempotency_key(self, api: TestClient, env: dict[str, str]) -> None:
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            other = create_key(conn, name="other", scopes=["reports:write"])
        ids = {
            api.post("/v1/reports", json={"force": True}, headers={"Idempotency-Key": "k", **headers}).json()[
                "id"
            ]
            for headers in ({}, {"Authorization": f"Bearer {other}"})
        }
        assert len(ids) == 2


class TestEnds:
    def test_a_canceled_report_has_no_work_left_and_stays_canceled(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
        report = api.post("/v1/reports").json()
        assert compute_batch(worker, UUID(report["id"]), 0)
        for _ in range(2):
            canceled = api.delete(f"/v1/reports/{report['id']}")
            assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
        assert not compute_batch(worker, UUID(report["id"]), 1)
        assert api.get(f"/v1/reports/{report['id']}").json()["files"] == []
        problem(api.get(f"/v1/reports/{report['id']}/files/report.csv"), 404, "file_not_found")
        problem(api.post(f"/v1/reports/{report['id']}/retry"), 409, "report_ended")
        assert api.post("/v1/reports").json()["id"] != report["id"], "nobody shares a canceled report"

    def test_a_report_that_succeeded_cannot_be_canceled(self, api: TestClient, worker: WorkerContext) -> None:
        report = api.post("/v1/reports").json()
        work(worker, report["id"])
        problem(api.delete(f"/v1/reports/{report['id']}"), 409, "report_ended")
        problem(api.delete(f"/v1/reports/{new_id()}"), 404, "report_not_found")

    def test_an_expired_report_answers_410(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        report = api.post("/v1/reports").json()
        work(worker, report["id"])
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            assert expire_reports(conn, 0) == [UUID(report["id"])]
        assert api.get(f"/v1/reports/{report['id']}").json()["state"] == "expired"
        problem(api.get(f"/v1/reports/{report['id']}/files/report.csv"), 410, "report_expired")
        assert api.get("/get_report", params={"report_id": report["id"]}).json()["status"] == "Error"
        assert api.post("/v1/reports").json()["id"] != report["id"]

    def test_a_retried_report_keeps_its_finished_batches(
        self, api: TestClient, worker: WorkerContext, env: dict[str, str]
    ) -> None:
        load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
        report = api.post("/v1/reports").json()
        assert compute_batch(worker, UUID(report["id"]), 0)
        with worker.pool.connection() as conn:
            conn.execute("update report_batch set burnt = 5 where batch_no = 1")
            assert bury_poison(conn, 5) == [UUID(report["id"])]
        assert api.get(f"/v1/reports/{report['id']}").json()["state"] == "failed"
        retried = api.post(f"/v1/reports/{report['id']}/retry")
        assert (retried.status_code, retried.json()["state"], retried.json()["error"]) == (
            202,
            "queued",
            None,
        )
        assert retried.json()["progress"]["stores_done"] == 2
        assert compute_batch(worker, UUID(report["id"]), 1)
        assert api.get(f"/v1/reports/{report['id']}").json()["state"] == "succeeded"


def test_a_failed_report_shows_the_cause(api: TestClient, env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    report_id = api.post("/trigger_report").json()["report_id"]
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute(
            "update report set state = 'failed', error = '{\"detail\": \"batch 0 was tried 5 times\"}'"
        )
    answer = api.get("/get_report", params={"report_id": report_id})
    assert answer.json() == {"status": "Error", "detail": "batch 0 was tried 5 times"}
    assert api.get(f"/v1/reports/{report_id}").json()["error"]["detail"] == "batch 0 was tried 5 times"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"policy": "optimistic"}, "body.policy"),
        ({"as_of": "yesterday"}, "body.as_of"),
        ({"as_of": "2024-10-14T18:00:00"}, "body.as_of"),
        ({"as_of": "1970-01-01T00:00:00Z"}, "body.as_of"),
        ({"detail": "perhaps"}, "body.detail"),
        ({"colour": "red"}, "body.colour"),
        ([], "body"),
    ],
)
def test_an_invalid_body_is_refused_with_the_field(api: TestClient, body: Any, field: str) -> None:
    refused = problem(api.post("/v1/reports", json=body), 422, "invalid_request")
    assert refused["errors"][0]["field"].startswith(field)


def test_unknown_and_malformed_ids(api: TestClient) -> None:
    problem(api.get(f"/v1/reports/{new_id()}"), 404, "report_not_found")
    problem(api.get("/get_report", params={"report_id": str(new_id())}), 404, "report_not_found")
    problem(api.get("/v1/reports/1"), 404, "not_found")
    problem(api.get("/get_report"), 422, "invalid_request")
    problem(api.get("/nowhere"), 404, "not_found")
    problem(api.put("/v1/reports"), 405, "method_not_allowed")


class TestKeys:
    def test_without_a_live_key_every_call_is_refused(self, api: TestClient, env: dict[str, str]) -> None:
        url = env["UPTILL_DATABASE_URL"]
        with psycopg.connect(url) as conn:
            expired = create_key(
                conn, name="old", scopes=["admin"], expires_at=datetime.now(UTC) + timedelta(hours=1)
            )
            conn.execute("update api_key set expires_at = now() where name = 'old'")
            revoked = create_key(conn, name="gone", scopes=["admin"])
            assert revoke_key(conn, revoked.split("_")[1])
        live = env["UPTILL_API_KEY"]
        for key in (
            "",
            "nonsense",
            live[:-1],
            live[:-1] + ("A" if live[-1] != "A" else "B"),
            expired,
            revoked,
        ):
            answer = api.post("/v1/reports", headers={"Authorization": f"Bearer {key}"})
            problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
            assert not key or key not in answer.text

    def test_a_key_is_limited_to_its_scopes(self, api: TestClient, env: dict[str, str]) -> None:
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            reader = create_key(conn, name="reader", scopes=["reports:read"])
        report = api.post("/v1/reports").json()
        headers = {"Authorization": f"Bearer {reader}"}
        problem(api.post("/v1/reports", headers=headers), 403, "forbidden")
        problem(api.post("/trigger_report", headers=headers), 403, "forbidden")
        assert api.get(f"/v1/reports/{report['id']}", headers=headers).status_code == 200

    def test_x_api_key_works_and_the_use_is_recorded(self, api: TestClient, env: dict[str, str]) -> None:
        key = env["UPTILL_API_KEY"]
        del api.headers["Authorization"]
        assert api.post("/trigger_report", headers={"X-API-Key": key}).status_code == 200
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            assert [used.last_used_at is not None for used in list_keys(conn)] == [True]


class TestHealth:
    def test_every_component_is_ok(self, api: TestClient) -> None:
        del api.headers["Authorization"]
        assert api.get("/livez").json()["status"] == "ok"
        ready = api.get("/readyz").json()
        ages_s = ready.pop("ages_s")
        components = {"database": "ok", "queue": "ok", "storage": "ok"}
        assert ready == {"status": "ok", "components": components}
        assert ages_s.keys() == components.keys()

    def test_without_redis_a_report_is_still_accepted(self, settings: Settings, env: dict[str, str]) -> None:
        broken = settings.model_copy(
            update={"redis_url": settings.redis_url.__class__("redis://127.0.0.1:1/0")}
        )
        headers = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
        with TestClient(create_app(broken), headers=headers) as api:
            assert api.post("/v1/reports").status_code == 202
            ready = api.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")

    def test_without_postgres_nothing_is_accepted(self, settings: Settings, env: dict[str, str]) -> None:
        url = psycopg.conninfo.make_conninfo(env["UPTILL_DATABASE_URL"], port=1)
        broken = settings.model_copy(update={"database_url": settings.database_url.__class__(url)})
        headers = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
        with TestClient(create_app(broken), headers=headers, raise_server_exceptions=False) as api:
            assert api.get("/livez").status_code == 200
            assert api.get("/readyz").status_code == 503
            answer = api.post("/v1/reports")
            problem(answer, 503, "unavailable")
            assert answer.headers["retry-after"]

"""No links to files that were changed in the bucket; the same request creates a new report."""

import math
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api import download_links
from services.api.context import ApiContext
from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.keys import StoreScope
from shared.metrics.registry import OBJECTS_REFUSED
from shared.reports.model import Report
from shared.settings import Settings
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import DAMAGES, damage
from tests.fixtures.fleet import load_fleet
from tests.fixtures.in_process import problem, work
from tests.fixtures.services import wait_until
from tests.integration.api.test_api import FLEET

BOUND_S = 20.0  # generous: the store's client alone would wait for 30 s


@pytest.fixture
def report(api: TestClient, worker: WorkerContext, database_url: str) -> dict[str, Any]:
    """A report of two batches, in two formats, that has succeeded."""
    load_fleet(database_url, FLEET)
    report_id = api.post("/v1/reports", json={"formats": ["json"]}).json()["id"]
    work(worker, report_id)
    body: dict[str, Any] = api.get(f"/v1/reports/{report_id}").json()
    assert [file["name"] for file in body["files"]] == ["report.csv", "report.json"]
    assert body["lost_files"] == []
    return body


def damage_csv(worker: WorkerContext, how: Callable[[bytes], bytes]) -> None:
    (csv,) = (item.key for item in worker.storage.list("reports/") if "/final-1/report.csv" in item.key)
    damage(worker.storage, csv, how)


@pytest.mark.parametrize("how", ["half", "empty", "a row more"])
def test_no_answer_has_a_link_to_a_file_of_another_length(
    how: str, api: TestClient, worker: WorkerContext, report: dict[str, Any]
) -> None:
    damage_csv(worker, DAMAGES[how])
    refused = OBJECTS_REFUSED.labels("link")._value.get()
    shown = api.get(f"/v1/reports/{report['id']}").json()
    assert [file["name"] for file in shown["files"]] == ["report.json"]
    assert [file["name"] for file in shown["lost_files"]] == ["report.csv"]
    assert '"force": true' in shown["lost_files"][0]["detail"]
    assert OBJECTS_REFUSED.labels("link")._value.get() == refused + 1
    problem(api.get(f"/v1/reports/{report['id']}/files/report.csv"), 410, "file_lost")
    asked = {"report_id": report["id"]}
    problem(api.get("/get_report", params=asked), 410, "file_lost")
    problem(api.get("/get_report", params=asked, headers={"Accept": "text/csv"}), 410, "file_lost")
    whole = api.get(f"/v1/reports/{report['id']}/files/report.json", follow_redirects=False)
    assert whole.status_code == 302


def test_many_calls_share_the_checks_of_the_last_second(
    api: TestClient, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_links, "MOST_CHECKS_PER_S", 1)
    checks: list[object] = []
    context: ApiContext = cast(FastAPI, api.app).state.context
    events = context.files._storage._client.meta.events
    events.register("before-call.s3.HeadObject", lambda **_: checks.append(None))
    calls, began = 100, time.monotonic()
    for _ in range(calls):
        assert api.get(f"/v1/reports/{report['id']}").json()["lost_files"] == []
    seconds = math.ceil(time.monotonic() - began)
    # A second of the clock that the calls only touch counts too, and each of the two files is checked again once.
    # Without sharing there would be 200; on a fast machine the checks of the fixture's calls may serve all of these.
    assert len(checks) <= (seconds + 1) * 3 < 2 * calls


class TestAnswersThatExist:
    def test_the_same_question_makes_a_new_report_once(
        self, api: TestClient, worker: WorkerContext, report: dict[str, Any]
    ) -> None:
        body = {"formats": ["json"], "as_of": report["as_of"]}
        assert api.post("/v1/reports", json=body).json()["id"] == report["id"]
        damage_csv(worker, DAMAGES["half"])
        with ThreadPoolExecutor(5) as threads:
            made = {
                each.json()["id"]
                for each in threads.map(lambda _: api.post("/v1/reports", json=body), range(5))
            }
        assert len(made) == 1
        assert report["id"] not in made
        (new,) = made
        work(worker, new)
        (csv, _) = api.get(f"/v1/reports/{new}").json()["files"]
        assert httpx2.get(csv["url"]).status_code == 200
        assert api.post("/v1/reports", json=body).json()["id"] == new

    def test_an_idempotency_key_stands_for_the_new_one(
        self, api: TestClient, worker: WorkerContext, database_url: str
    ) -> None:
        load_fleet(database_url, FLEET)
        headers = {"Idempotency-Key": "nightly"}
        first = api.post("/v1/reports", json={"force": True}, headers=headers).json()["id"]
        work(worker, first)
        assert api.post("/v1/reports", json={"force": True}, headers=headers).json()["id"] == first
        damage_csv(worker, DAMAGES["empty"])
        second = api.post("/v1/reports", json={"force": True}, headers=headers).json()["id"]
        assert second != first
        assert api.post("/v1/reports", json={"force": True}, headers=headers).json()["id"] == second

    def test_the_two_call_contract_makes_a_new_one_too(
        self, api: TestClient, worker: WorkerContext, database_url: str
    ) -> None:
        load_fleet(database_url, FLEET)
        first = api.post("/trigger_report").json()["report_id"]
        work(worker, first)
        damage_csv(worker, DAMAGES["half"])
        assert api.post("/trigger_report").json()["report_id"] != first


def test_a_file_that_is_put_back_has_its_link_again(
    api: TestClient, worker: WorkerContext, report: dict[str, Any]
) -> None:
    (key,) = (item.key for item in worker.storage.list("reports/") if "/final-1/report.csv" in item.key)
    whole = content_of(worker.storage, key)
    damage(worker.storage, key, DAMAGES["half"])
    assert api.get(f"/v1/reports/{report['id']}").json()["lost_files"]
    worker.storage.put(key, whole, "binary/octet-stream")
    assert api.get(f"/v1/reports/{report['id']}").json()["lost_files"] == []


def test_a_store_that_is_frozen_does_not_hold_up_the_state_of_a_report(
    settings: Settings, api: TestClient, report: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        frozen = settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        with TestClient(
            create_app(frozen), headers=dict(api.headers), raise_server_exceptions=False
        ) as there:
            began = time.monotonic()
            for _ in range(5):
                shown = there.get(f"/v1/reports/{report['id']}").json()
                assert (len(shown["files"]), shown["lost_files"]) == (2, [])
            problem(there.get(f"/v1/reports/{report['id']}/files/report.csv"), 503, "unavailable")
            assert time.monotonic() - began < BOUND_S


def test_an_answer_that_saw_the_end_does_not_check_the_files_again(
    api: TestClient, worker: WorkerContext, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has just checked them. The next answer does it itself."""
    load_fleet(database_url, FLEET)
    report_id = api.post("/v1/reports", json={}).json()["id"]
    checks: list[object] = []
    context: ApiContext = cast(FastAPI, api.app).state.context
    events = context.files._storage._client.meta.events
    events.register("before-call.s3.HeadObject", lambda **_: checks.append(None))
    seen: list[str] = []
    read = context.reads.read_report

    async def noted(report_id: UUID, visible: StoreScope) -> Report:
        report = await read(report_id, visible)
        seen.append(report.state)
        return report

    monkeypatch.setattr(context.reads, "read_report", noted)
    with ThreadPoolExecutor(1) as callers:
        answer = callers.submit(api.get, f"/v1/reports/{report_id}?wait=30")
        wait_until(lambda: seen == ["queued"], "the call to wait")
        work(worker, report_id)
        assert answer.result().json()["state"] == "succeeded"
    assert checks == []
    assert api.get(f"/v1/reports/{report_id}").json()["lost_files"] == []
    assert len(checks) == 1

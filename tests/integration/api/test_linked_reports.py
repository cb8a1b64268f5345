"""The answer with the links to a report's files."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import cast

import psycopg
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api.context import ApiContext
from services.worker.context import WorkerContext
from tests.fixtures.fleet import load_fleet
from tests.fixtures.in_process import work
from tests.integration.api.test_api import FLEET

WITHIN_S = 30.0


def test_files_are_checked_while_the_audit_is_written(
    api: TestClient, worker: WorkerContext, database_url: str
) -> None:
    load_fleet(database_url, FLEET)
    report_id = api.post("/v1/reports").json()["id"]
    work(worker, report_id)
    checked = Event()
    context: ApiContext = cast(FastAPI, api.app).state.context
    events = context.files._storage._client.meta.events
    events.register("before-call.s3.HeadObject", lambda **_: checked.set())
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database_url) as conn:
        conn.execute("lock table audit in exclusive mode")
        answer = threads.submit(api.get, f"/v1/reports/{report_id}")
        was_checked = checked.wait(WITHIN_S)
        conn.rollback()
        (file,) = answer.result().json()["files"]
    assert was_checked
    assert file["name"] == "report.csv"

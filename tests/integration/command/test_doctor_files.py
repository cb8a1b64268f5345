"""`uptill doctor --reconcile --deep`: each damaged file is named, with what to do."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services.cli.reconcile_files import reconcile
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from tests.fixtures.damage import DAMAGES, damage
from tests.fixtures.fleet import load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.reports import trigger
from tests.fixtures.services import Services
from tests.integration.api.test_api import FLEET


@pytest.fixture
def file_key(api: TestClient, worker: WorkerContext, database_url: str) -> str:
    """The object of a succeeded report."""
    load_fleet(database_url, FLEET)
    report_id = api.post("/v1/reports").json()["id"]
    work(worker, report_id)
    (key,) = (item.key for item in worker.storage.list(f"reports/{report_id}/final-"))
    return key


@pytest.mark.parametrize(
    ("how", "said", "deep_only"),
    [
        ("half", "bytes instead of", False),
        ("empty", "has 0 bytes instead of", False),
        ("one digit", "its SHA-256 is not the stored one", True),
    ],
)
def test_a_changed_file_is_found(
    how: str, said: str, deep_only: bool, worker: WorkerContext, file_key: str
) -> None:
    damage(worker.storage, file_key, DAMAGES[how])
    with worker.pool.connection() as conn:
        conn.autocommit = True
        shallow, deep = (reconcile(conn, worker.storage, 9e9, deep=deep) for deep in (False, True))
        conn.autocommit = False
    assert [damage.object.key for damage in shallow.files] == ([] if deep_only else [file_key])
    assert [damage.object.key for damage in deep.files] == [file_key]
    assert said in deep.files[0].detail
    assert (shallow.read, deep.read) == (0, 1 if deep_only else 0)


def test_the_command_names_the_report_the_file_and_the_fix(
    env: dict[str, str], worker: WorkerContext, database_url: str, file_key: str, tmp_path: Path
) -> None:
    unfinished = trigger(database_url, batch_stores=1).report_id
    assert compute_batch(worker, unfinished, 1)
    (part,) = (item.key for item in worker.storage.list(f"reports/{unfinished}/"))
    with worker.pool.connection() as conn:  # so that the worker below leaves the others alone
        conn.execute("update report_batch set due_since = 'infinity' where state = 'pending'")
    worker.storage.put(f"{file_key}.stranger", b"nobody's", "text/plain")
    with Services(env, tmp_path) as services:
        services.api()
        services.worker(UPTILL_WORKER_THREADS="1", UPTILL_REDIS_URL=env["UPTILL_REDIS_URL"])
        whole = services.run("doctor", "--reconcile", "--deep")
        assert whole.returncode == 0, whole.stdout
        assert f"no report: {file_key}.stranger" in whole.stdout
        for key in (file_key, part):
            damage(worker.storage, key, DAMAGES["garbage of the same length"])
        assert services.run("doctor", "--reconcile").returncode == 0, "the lengths are right"
        found = services.run("doctor", "--reconcile", "--deep")
        assert services.run("doctor", "--deep").returncode == 2
    assert found.returncode == 1
    report_id = file_key.split("/")[1]
    (line,) = (
        line for line in found.stdout.splitlines() if line.startswith(f"report {report_id}, report.csv: ")
    )
    assert file_key in line
    assert '"force": true' in line
    assert f"report {unfinished}, the part of batch 1: " in found.stdout

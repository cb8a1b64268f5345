"""A worker that is killed while it writes a month of facts leaves the month before or the month after, whole."""

import io
import json

import psycopg
import pyarrow.parquet as pq
import pytest

from shared.settings import Settings
from shared.storage import Storage, make_storage
from tests.chaos.test_facts_kill import FIRST, LAST, finish
from tests.fixtures.buckets import content_of
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import STORES

KEY, MANIFEST = "facts/month=2024-10/classic.parquet", "facts/month=2024-10/_classic.json"
OLD_ROWS, NEW_ROWS = STORES * 3, STORES * 4


def rows(storage: Storage) -> int:
    """How many rows a reader finds, who reads the file alone."""
    return len(pq.read_table(io.BytesIO(content_of(storage, KEY))))


def storage_of(services: Services) -> Storage:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in services.settings.items()}
    return make_storage(Settings.model_validate(values))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("export.after_file", NEW_ROWS),
        pytest.param("claim.after_commit", OLD_ROWS, marks=pytest.mark.chaos),
        pytest.param("export.after_manifest", NEW_ROWS, marks=pytest.mark.chaos),
        pytest.param("complete.before_commit", NEW_ROWS, marks=pytest.mark.chaos),
        pytest.param("complete.after_commit", NEW_ROWS, marks=pytest.mark.chaos),
        pytest.param("finalise.after_claim", NEW_ROWS, marks=pytest.mark.chaos),
    ],
)
def test_a_worker_is_killed_at(name: str, seen: int, idle_services: Services) -> None:
    services = idle_services
    storage = storage_of(services)
    services.scheduler()
    services.api()
    first = services.worker()
    with services.client() as client, psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        finish(client)
        conn.execute("delete from store_day where local_date = %s", [LAST])
        conn.execute("delete from store_day_mark")  # nor do the sums of months hold any more
        conn.commit()
        (*_, old) = client.follow_facts_export(client.export_facts().id, every_s=0.1)
        assert old.state == "succeeded"
        assert rows(storage) == OLD_ROWS
        finish(client)
        first.terminate()
        first.wait(60)
        victim = services.worker(**armed(name, "kill"))
        job_id = client.export_facts().id
        wait_until(lambda: victim.poll() is not None, "the worker's end")
        assert rows(storage) == seen
        services.worker()
        (*_, job) = client.follow_facts_export(job_id, every_s=0.1)
        assert (job.state, job.months_done) == ("succeeded", 1), job
        assert rows(storage) == NEW_ROWS
        (file,) = job.files
        manifest = json.loads(content_of(storage, MANIFEST))
        assert (file.is_current, file.rows, file.sha256) == (True, NEW_ROWS, manifest["sha256"])
        assert manifest["first_day"] == f"{FIRST}"

"""The summary of a report: equal to the oracle's, in all formats, for any batches, also with damage and changed labels."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_store import ChangeOptions
from services.ingest.run import ingest_paths
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import replace
from tests.fixtures.reports import trigger
from tests.integration.reports.test_adjusted_report import Fleet
from tests.integration.reports.test_corrupt_objects import go_on
from tests.oracle.accounting import DAY_US
from tests.oracle.summary import SummaryStore, summary_file

WINDOWS: Mapping[str, tuple[str, tuple[int | str, int | str | None]]] = {
    "last_day": ("last_day", (DAY_US, "before:P1D")),
    "previous_week": ("previous_week", ("previous_week", "before:previous_week")),
    "before:P2D": ("before_last_2d", ("before:P2D", None)),
    "P2D": ("last_2d", (2 * DAY_US, "before:P2D")),
}
POLICIES = ("classic", "carry", "backfill-1m", "hold-scaled")
_NO_SUMMARY = "summary_part = null, summary_size_bytes = null, summary_sha256 = null, summary_rows = null"


def set_labels(database_url: str, labels: Mapping[str, Mapping[str, str]]) -> None:
    for store_id, values in labels.items():
        replace_labels(database_url, store_id, values, ChangeOptions("test"))


def labels_of(fleet: Fleet) -> dict[str, dict[str, str]]:
    """A region for most stores, a shop of its own for each, and a value that a spreadsheet would run."""
    return {
        name: {"shop": name} | ({"region": ["north", "south, east", "=1+1"][place % 3]} if place % 4 else {})
        for place, name in enumerate(fleet.stores)
    }


def make(database_url: str, worker: WorkerContext, *, batch_stores: int = 4, policy: str = "classic") -> UUID:
    report_id = trigger(
        database_url,
        batch_stores=batch_stores,
        files=("report", "summary"),
        windows=list(WINDOWS),
        policy=policy,
    ).report_id
    with psycopg.connect(database_url, autocommit=True) as conn:
        go_on(conn, worker, report_id)
    return report_id


def read_file(database_url: str, worker: WorkerContext, report_id: UUID, kind: str = "summary") -> bytes:
    with psycopg.connect(database_url) as conn:
        ((key, rows),) = conn.execute(
            "select object, rows from report_file where report_id = %s and kind = %s", [report_id, kind]
        ).fetchall()
    data = content_of(worker.storage, key)
    assert data.count(b"\n") == rows + 1
    return data


@pytest.fixture
def fleet(database_url: str, tmp_path: Path) -> Fleet:
    fleet = Fleet(7, stores=14)
    fleet.write(tmp_path)
    assert {result.state for result in ingest_paths(database_url, [str(tmp_path)])} == {"succeeded"}
    set_labels(database_url, labels_of(fleet))
    return fleet


def expected(fleet: Fleet, policy: str) -> bytes:
    labels = labels_of(fleet)
    as_of_us = max(poll.at_us for store in fleet.stores.values() for poll in store.polls)
    stores = {
        name: SummaryStore(store.zone, labels[name], store.terms, store.polls)
        for name, store in fleet.stores.items()
    }
    data = summary_file(stores, as_of_us, policy, dict(WINDOWS.values()))
    return data.replace(b",south, east,", b',"south, east",').replace(b",=1+1,", b",'=1+1,")


def test_the_summary_is_the_oracles(fleet: Fleet, database_url: str, worker: WorkerContext) -> None:
    for policy in POLICIES:
        report_id = make(database_url, worker, policy=policy)
        found = read_file(database_url, worker, report_id).decode().splitlines()
        assert found == expected(fleet, policy).decode().splitlines(), policy
    assert sum(",label:shop," in line for line in found) > 10
    assert sum(",lowest," in line for line in found) > 5 * len(WINDOWS)


@pytest.mark.usefixtures("fleet")
def test_the_report_is_the_same_without_a_summary(database_url: str, worker: WorkerContext) -> None:
    with_summary = make(database_url, worker)
    plain = trigger(database_url, batch_stores=4, windows=list(WINDOWS)).report_id
    with psycopg.connect(database_url, autocommit=True) as conn:
        go_on(conn, worker, plain)
    assert read_file(database_url, worker, plain, "report") == read_file(
        database_url, worker, with_summary, "report"
    )
    assert not [key for item in worker.storage.list(f"reports/{plain}/") if "summary" in (key := item.key)]


@pytest.mark.usefixtures("fleet")
def test_a_label_with_many_values_makes_no_groups(
    database_url: str, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("part", "add_up"):
        monkeypatch.setattr(f"services.worker.summary.{module}.MAX_VALUES", 3)
    for batch_stores in (3, 100):
        data = read_file(database_url, worker, make(database_url, worker, batch_stores=batch_stores))
        assert b",label:region," in data
        assert b",label:shop," not in data


def test_labels_that_change_meanwhile_are_the_same_in_all_batches(
    fleet: Fleet, database_url: str, worker: WorkerContext
) -> None:
    report_id = trigger(
        database_url, batch_stores=4, files=("report", "summary"), windows=list(WINDOWS)
    ).report_id
    assert compute_batch(worker, report_id, 0)
    set_labels(database_url, {name: {"region": "west"} for name in fleet.stores})
    with psycopg.connect(database_url, autocommit=True) as conn:
        go_on(conn, worker, report_id)
    found = read_file(database_url, worker, report_id)
    assert found == read_file(database_url, worker, make(database_url, worker))
    assert b",label:region,west," in found


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("harm", ["removed", "cut", "of the previous release"])
def test_a_damaged_part_is_computed_again(database_url: str, worker: WorkerContext, harm: str) -> None:
    whole = read_file(database_url, worker, make(database_url, worker))
    report_id = trigger(
        database_url, batch_stores=4, files=("report", "summary"), windows=list(WINDOWS)
    ).report_id
    assert compute_batch(worker, report_id, 1)
    with psycopg.connect(database_url, autocommit=True) as conn:
        ((key,),) = conn.execute("select summary_part from report_batch where summary_part is not null and report_id = %s", [report_id]).fetchall()  # fmt: skip
        if harm == "removed":
            worker.storage.delete(key)
        elif harm == "cut":
            replace(worker.storage, key, content_of(worker.storage, key)[:-20])
        else:
            conn.execute(f"update report_batch set {_NO_SUMMARY} where report_id = %s", [report_id])
        go_on(conn, worker, report_id)
    assert read_file(database_url, worker, report_id) == whole

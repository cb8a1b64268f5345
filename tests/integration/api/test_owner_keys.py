"""An owner's key sees, reports and counts its stores only; what others made of more stores is not there for it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.keys import create_key
from tests.fixtures.fleet import Store, load_fleet

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
LABELS = {
    "north-1": {"owner": "anna", "city": "oslo"},
    "north-2": {"owner": "anna", "city": "bergen"},
    "south-1": {"owner": "ben", "city": "rome"},
    "nobody": {},
}


@dataclass(frozen=True)
class Holder:
    """One key's holder, with the calls that a test makes."""

    api: TestClient
    key: str = field(repr=False)

    def __call__(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return self.api.request(method, path, headers=headers, follow_redirects=False, **arguments)

    def report(self, **body: Any) -> Any:
        answer = self("POST", "/v1/reports", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()


@pytest.fixture
def holders(api: TestClient, env: dict[str, str]) -> dict[str, Holder]:
    url = env["UPTILL_DATABASE_URL"]
    load_fleet(url, {store: Store(polls=[(NOW, True)]) for store in LABELS})
    limits = {
        "all": None,
        "anna": {"owner": "anna"},
        "anna-oslo": {"owner": "anna", "city": "oslo"},
        "ben": {"owner": "ben"},
    }
    with psycopg.connect(url) as conn:
        for store, labels in LABELS.items():
            conn.execute("update store set labels = %s where store_id = %s", [json.dumps(labels), store])
        keys = {
            name: create_key(conn, name=name, scopes=["reports:read", "reports:write"], store_labels=labels)
            for name, labels in limits.items()
        }
    return {name: Holder(api, key) for name, key in keys.items()}


def rows(worker: WorkerContext, holder: Holder, report: Any) -> list[str]:
    """The store ids of the finished file."""
    with worker.pool.connection() as conn:
        batches = conn.execute("select batch_no from report_batch where report_id = %s", [report["id"]])
        for (batch_no,) in batches.fetchall():
            assert compute_batch(worker, UUID(report["id"]), batch_no)
    (file,) = holder("GET", f"/v1/reports/{report['id']}").json()["files"]
    return [line.split(",")[0] for line in httpx2.get(file["url"]).text.splitlines()[1:]]


def test_a_report_holds_and_counts_what_its_maker_may_see(
    holders: dict[str, Holder], worker: WorkerContext
) -> None:
    expected = {
        "all": sorted(LABELS),
        "anna": ["north-1", "north-2"],
        "anna-oslo": ["north-1"],
        "ben": ["south-1"],
    }
    ids = set()
    for name, stores in expected.items():
        report = holders[name].report()
        assert report["progress"]["stores_total"] == len(stores), name
        assert rows(worker, holders[name], report) == stores
        ids.add(report["id"])
    assert len(ids) == 4, "the same question of another holder is another question"


def test_a_filter_cannot_widen_the_limit(holders: dict[str, Holder], worker: WorkerContext) -> None:
    anna = holders["anna"]
    assert rows(worker, anna, anna.report(stores={"labels": {"city": "rome"}})) == []
    foreign = anna("POST", "/v1/reports", json={"stores": {"ids": ["south-1"]}})
    unknown = anna("POST", "/v1/reports", json={"stores": {"ids": ["never-was"]}})
    assert foreign.status_code == unknown.status_code == 422
    told = foreign.json() | {"request_id": unknown.json()["request_id"]}
    assert json.dumps(told).replace("south-1", "never-was") == json.dumps(unknown.json()), (
        "it tells what exists"
    )


@pytest.mark.parametrize(
    ("maker", "seen_by"),
    [
        ("all", {"all"}),
        ("anna", {"all", "anna"}),
        ("anna-oslo", {"all", "anna", "anna-oslo"}),
        ("ben", {"all", "ben"}),
    ],
)
def test_a_report_is_there_for_the_same_limit_and_wider_ones(
    holders: dict[str, Holder], worker: WorkerContext, maker: str, seen_by: set[str]
) -> None:
    report = holders[maker].report()
    rows(worker, holders[maker], report)
    path = f"/v1/reports/{report['id']}"
    for name, holder in holders.items():
        listed = [found["id"] for found in holder("GET", "/v1/reports").json()["reports"]]
        answers = {
            "get": holder("GET", path).status_code,
            "file": holder("GET", f"{path}/files/report.csv").status_code,
            "events": holder("GET", f"{path}/events").status_code,
            "legacy": holder("GET", "/get_report", params={"report_id": report["id"]}).status_code,
            "cancel": holder("DELETE", path).status_code,
            "retry": holder("POST", f"{path}/retry").status_code,
        }
        if name in seen_by:
            assert answers == {
                "get": 200, "file": 302, "events": 200, "legacy": 200, "cancel": 409, "retry": 409
            }, name  # fmt: skip
            assert listed == [report["id"]]
        else:
            assert set(answers.values()) == {404}, (name, answers)
            assert listed == []


def test_who_made_which_report_and_who_got_its_links_is_audited(
    holders: dict[str, Holder], worker: WorkerContext, database_url: str
) -> None:
    anna, everyone = holders["anna"], holders["all"]
    report = anna.report()
    rows(worker, anna, report)
    for holder in (anna, everyone):
        for _ in range(3):
            holder("GET", f"/v1/reports/{report['id']}")
    assert anna.report()["id"] == report["id"]
    holders["ben"]("GET", f"/v1/reports/{report['id']}")
    canceled = anna.report(force=True)["id"]
    anna("DELETE", f"/v1/reports/{canceled}")
    with psycopg.connect(database_url) as conn:
        audited = conn.execute(
            "select actor, action, subject, details from audit where action like 'report.%' order by id"
        ).fetchall()
    by_anna, by_everyone = anna.key.split("_")[1], everyone.key.split("_")[1]
    assert audited == [
        (by_anna, "report.created", report["id"], {"shared": False}),
        (by_anna, "report.linked", report["id"], {}),
        (by_everyone, "report.linked", report["id"], {}),
        (by_anna, "report.created", report["id"], {"shared": True}),
        (by_anna, "report.created", canceled, {"shared": False}),
        (by_anna, "report.canceled", canceled, {}),
    ]

"""A store with very many polls: its answers are those of any store, and eight callers of a key get all of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from services.api import store_turns
from services.worker.context import WorkerContext
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work

END = datetime(2024, 11, 4, 18, tzinfo=UTC)
DENSE = [(END - timedelta(minutes=n), n % 3 > 0) for n in range(7_000)]
PATHS = (
    "timeline?from=2024-10-31T00:00:00Z&to=2024-11-04T18:00:00Z",
    "policies?from=2024-10-31T00:00:00Z&to=2024-11-04T18:00:00Z&policy=classic&policy=hold",
    "badge.svg",
    "timeline.svg",
)


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], {"dense": Store(DENSE, "America/Chicago")})


def read_all(api: TestClient, paths: list[str]) -> list[bytes]:
    """Call each path by eight callers of one key, and return one answer each; all must be the same."""
    found = []
    for path in paths:
        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(lambda _: api.get(path), range(8)))  # noqa: B023
        assert {answer.status_code for answer in answers} == {200}
        (content,) = {answer.content for answer in answers}
        found.append(content)
    return found


def test_large_answers_are_those_of_small_ones(
    api: TestClient, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = api.post("/v1/reports", json={"windows": ["last_week"]}).json()["id"]
    work(worker, report)
    paths = [f"/v1/stores/dense/{path}" for path in PATHS]
    paths += [f"/v1/reports/{report}/stores/dense?fold={fold}" for fold in ("true", "false")]
    large = read_all(api, paths)
    monkeypatch.setattr(store_turns, "LARGE", 1 << 30)
    assert read_all(api, paths) == large
    assert len(large[0]) > 1 << 20

"""The API and a worker within the test's process, over real Postgres, Redis and S3."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.settings import Settings
from tests.fixtures.in_process import worker_context
from tests.fixtures.logins import with_login


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    return Settings.model_validate({**values, "batch_stores": 2})


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with TestClient(
        create_app(with_login(settings, "uptill_api")), headers=headers, raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture
def worker(settings: Settings) -> Iterator[WorkerContext]:
    with worker_context(settings) as worker:
        yield worker

"""The services as processes, and a client of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.local.ports import HOST, free_ports
from tests.fixtures.services import Services, answers, wait_until
from uptill_client import UptillClient


@pytest.fixture
def services(services_without_worker: Services) -> Services:
    """The API, the ingest service and a worker."""
    services_without_worker.worker()
    return services_without_worker


@pytest.fixture
def services_without_worker(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    """The API and the ingest service."""
    with started_services(env, tmp_path) as services:
        yield services


@contextmanager
def started_services(env: Mapping[str, str], folder: Path) -> Iterator[Services]:
    """The API and the ingest service, with their files in a folder."""
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    extra = {"UPTILL_INGEST_URL": url, "UPTILL_SPOOL_DIR": str(folder / "spool"), "COLUMNS": "160"}
    with Services({**env, **extra}, folder) as services:
        services.start("uvicorn", "--factory", "services.ingest.http.main:create_app", f"--port={port}")
        services.api()
        wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")
        yield services


@pytest.fixture
def client(services: Services) -> Iterator[UptillClient]:
    settings = services.settings
    with UptillClient(
        settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"], ingest_url=settings["UPTILL_INGEST_URL"]
    ) as client:
        yield client

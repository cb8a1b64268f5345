"""Runs the ingest service in the test's process, over real Postgres, and checks its responses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from fastapi.testclient import TestClient

from services.ingest.http.main import create_app
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.logins import login_url
from tests.fixtures.services import wait_until

FINAL = {"succeeded", "stopped", "failed", "canceled"}


@contextmanager
def ingest_service(
    database_url: str,
    spool: Path,
    *,
    scopes: tuple[str, ...] = ("ingest:write",),
    behind: str | None = None,
    **settings: Any,
) -> Iterator[TestClient]:
    """Yield a client of a running service. The service has the login of its role, and the key has these scopes.

    `behind` is the address that the service uses for the database, if it differs.
    """
    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="test", scopes=scopes)
    given = Settings.model_validate(
        {
            "database_url": login_url(behind or database_url, "uptill_ingest"),
            "spool_dir": str(spool),
            "allowed_hosts": "testserver",
        }
        | settings
    )
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(create_app(given), headers=headers, raise_server_exceptions=False) as client:
        yield client


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Return the body of an error, and check that it is problem+json with this code."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status, body
    assert answer.headers["content-type"] == "application/problem+json"
    assert (body["status"], body["type"]) == (status, f"urn:uptill:error:{code}")
    return body


def ended(client: TestClient, answer: Any) -> dict[str, Any]:
    """Wait until the import of an upload has ended, and return it."""
    assert answer.status_code == 202, answer.json()
    body: dict[str, Any] = {}

    def has_ended() -> bool:
        body.update(client.get(answer.headers["location"]).json())
        return body["state"] in FINAL

    wait_until(has_ended, "the end of an import", every_s=0.04)
    return body

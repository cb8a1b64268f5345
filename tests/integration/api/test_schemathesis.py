"""Schemathesis over both services as processes: what it makes of their descriptions must not break them.

Short here; `make test-api` sets API_EXAMPLES for the long form.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services

EXAMPLES = os.environ.get("API_EXAMPLES", "3")
# Not negative_data_rejection: models read `0` as false or as an instant, and an upload without a body is an empty file.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,missing_required_header,unsupported_method"
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("module", ["services.api", "services.ingest.http"])
def test_nothing_is_found(env: Mapping[str, str], database_url: str, tmp_path: Path, module: str) -> None:
    load_fleet(database_url, {"a": Store(polls=[(datetime(2024, 10, 14, 18, tzinfo=UTC), True)])})
    settings = {**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool"), "UPTILL_MAX_WAIT_S": "0.1"}
    with Services(settings, tmp_path) as services:
        services.serve(module)
        found = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                f"{env['UPTILL_API_URL']}/openapi.json",
                f"--header=Authorization: Bearer {env['UPTILL_API_KEY']}",
                f"--checks={CHECKS}",
                f"--max-examples={EXAMPLES}",
                "--phases=examples,coverage,fuzzing",
                "--generation-deterministic",
                "--request-timeout=20",
                "--exclude-path=/v1/now/events",  # an endless stream: each call would last until the timeout
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        print(found.stdout[-3000:])
        assert found.returncode == 0, found.stdout[-12_000:] + found.stderr[-2000:]
        assert not services.logged('"event": "bug"')

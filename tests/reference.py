"""The reference pages that the code makes: `python -m tests.reference` writes them, a test compares them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.api.main import create_app
from services.cli.reference import cli_reference
from services.ingest.http.main import create_app as create_ingest_app
from services.ingest.reasons import reasons_reference
from shared.audit import audit_reference
from shared.http.problems import errors_reference
from shared.metrics.registry import metrics_reference
from shared.settings import Settings, settings_reference

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
_NOWHERE: dict[str, Any] = {
    "database_url": "postgresql://nowhere",
    "redis_url": "redis://nowhere",
    "s3_bucket": "none",
}


def applications() -> Mapping[str, FastAPI]:
    """Both services, connected to nothing, by the name of their document."""
    settings = Settings.model_validate(_NOWHERE)
    return {"openapi.json": create_app(settings), "openapi-ingest.json": create_ingest_app(settings)}


def pages() -> Mapping[str, Callable[[], str]]:
    """The text of each page by its name."""
    return {
        "audit.md": audit_reference,
        "cli.md": cli_reference,
        "errors.md": errors_reference,
        "metrics.md": metrics_reference,
        "reject-reasons.md": reasons_reference,
        "settings.md": settings_reference,
        **{name: _as_text(app) for name, app in applications().items()},
    }


def _as_text(app: FastAPI) -> Callable[[], str]:
    return lambda: json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text())

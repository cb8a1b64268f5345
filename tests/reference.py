"""The reference pages that the code makes: `python -m tests.reference` writes them, a test compares them."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.api.main import create_app
from services.cli.reference import cli_reference
from services.ingest.http.main import create_app as create_ingest_app
from services.ingest.parse.reasons import reasons_reference
from services.ingest.parse.values_reference import values_reference
from shared.audit import audit_reference
from shared.diagnostics.registry import diagnostics_reference
from shared.http.problems import errors_reference
from shared.metrics.reference import metrics_reference
from shared.settings import Settings
from shared.settings.reference import settings_reference

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
_NOWHERE: dict[str, Any] = {
    "database_url": "postgresql://nowhere",
    "redis_url": "redis://nowhere",
    "s3_bucket": "none",
}


@cache
def applications() -> Mapping[str, FastAPI]:
    """Both services, connected to nothing, by the name of their document."""
    settings = Settings.model_validate(_NOWHERE)
    return {"openapi.json": create_app(settings), "openapi-ingest.json": create_ingest_app(settings)}


def pages() -> Mapping[str, Callable[[], str]]:
    """The text of each page by its name."""
    return {
        "audit.md": audit_reference,
        "cli.md": cli_reference,
        "diagnostics.md": diagnostics_reference,
        "errors.md": errors_reference,
        "http.md": http_reference,
        "metrics.md": metrics_reference,
        "reject-reasons.md": reasons_reference,
        "settings.md": settings_reference,
        "values.md": values_reference,
        **{name: _as_text(app) for name, app in applications().items()},
    }


def http_reference() -> str:
    """Return every call of both services, one line each, with what it does."""
    api, ingest = (app.openapi() for app in applications().values())
    return _HTTP.format(api=_calls(api), ingest=_calls(ingest))


_HTTP = """# HTTP calls

Every call except those marked with * needs an API key, sent as `Authorization: Bearer upt_…` ([keys and
scopes](../how-to/keys.md)). Errors are `application/problem+json` (RFC 9457); [errors](errors.md) lists
them. Parameters, bodies, answers and examples are in [openapi.json](openapi.json) and
[openapi-ingest.json](openapi-ingest.json). Each service shows its own under `/docs`. From `/`, browsers are
sent to the [page](../how-to/dashboard.md), and those of ingest to `/docs`.

`POST /v1/reports`, `POST /v1/reports/{{report_id}}/revisions` and `/trigger_report` honour an `Idempotency-Key`
of 1 to 255 characters in UTF-8: with the same key and parameters, they answer with the same report for 24
hours, and with other parameters 422. Other calls ignore a valid key. All calls refuse a key that is empty,
too long, given twice or not UTF-8, or that has a control character (400). `/trigger_report` has no
parameters: it refuses a body other than `{{}}` (422).

HEAD works wherever GET does, except on `/trigger_report`. Bodies may come with `Content-Encoding: gzip`; another
encoding gets 415. A slash at the end of a path makes it another path: the answer is 404, never a redirect. A
query parameter that the call does not have gets 422, as does one with a single value that is given twice, and a
query with `%00`.

Write dates as `2026-10-31`, and instants with an offset: `2026-10-31T18:00:00Z`. A number is not read as a
time. In a JSON body, a text is not read as a number, nor as true or false.

## API service (port 8000)

{api}
## Ingest service (port 8001)

{ingest}"""


def _calls(description: Mapping[str, Any]) -> str:
    rows = [
        f"| `{method.upper()} {path}`{'' if 'security' in operation else ' *'} | {_first_paragraph(operation)} |"
        for path, operations in sorted(description["paths"].items())
        for method, operation in sorted(operations.items())
        if path not in {"/openapi.json", "/docs"}
    ]
    return "\n".join(["| call | what it does |", "|---|---|", *rows, ""])


def _first_paragraph(operation: Mapping[str, Any]) -> str:
    text = " ".join(operation["description"].split("\n\n")[0].split())
    return f"Deprecated. {text}" if operation.get("deprecated") else text


def _as_text(app: FastAPI) -> Callable[[], str]:
    return lambda: json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text())
